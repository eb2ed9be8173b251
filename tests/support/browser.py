"""A headless Chromium, as `apt-get install chromium chromium-driver` brings it."""

from __future__ import annotations

import shutil
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from anyio import to_thread
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.waiting import eventually

Theme = Literal["light", "dark"]
PHONE = (375, 812)
DESKTOP = (1360, 900)
# How far anything has moved that nobody had touched: https://web.dev/articles/cls
COUNT_SHIFTS = """
window.shifts = [];
new PerformanceObserver((entries) => {
  for (const entry of entries.getEntries()) window.shifts.push(
    { value: entry.value, of: entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 90) ?? String(node?.textContent).slice(0, 90)) });
}).observe({ type: "layout-shift", buffered: true });
"""


class Browser:
    """One page. What takes time is done in a thread."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    async def open(self, url: str, *, size: tuple[int, int] = DESKTOP, theme: Theme = "light") -> None:
        """Go to a page, as a screen of that size with that preference shows it."""
        await self.show_as(size=size, theme=theme)
        await to_thread.run_sync(self._driver.get, url)

    async def show_as(self, *, size: tuple[int, int], theme: Theme) -> None:
        """Have the page shown by another screen."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600}
        await self.command("Emulation.setDeviceMetricsOverride", metrics)
        await self.command(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        )

    async def command(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """One of Chromium's own: https://chromedevtools.github.io/devtools-protocol/"""
        return await to_thread.run_sync(self._driver.execute_cdp_cmd, name, dict(arguments))

    async def run(self, script: str, *arguments: Any) -> Any:
        """What a function with this body returns in the page."""
        return await to_thread.run_sync(self._driver.execute_script, script, *arguments)

    async def text(self, selector: str) -> str:
        """What one reads of the first element that a selector names; nothing if there is none, or none is shown."""
        script = (
            "const node = document.querySelector(arguments[0]); return node?.checkVisibility() ? node.innerText : ''"
        )
        return str(await self.run(script, selector))

    async def says(self, selector: str, words: str, *, within_seconds: float = 10.0) -> str:
        """What one reads there, once it has these words."""

        async def found() -> str:
            text = await self.text(selector)
            return text if words in text else ""

        return await eventually(found, within_seconds=within_seconds)

    async def press(self, selector: str) -> None:
        """Click on it."""
        await self.run("document.querySelector(arguments[0]).click()", selector)

    async def enter(self, selector: str, text: str) -> None:
        """Write into a field, as if by keys."""
        script = "const [node] = [document.querySelector(arguments[0])]; node.value = arguments[1]; node.dispatchEvent(new Event('input'))"
        await self.run(script, selector, text)

    async def complaints(self) -> Sequence[str]:
        """What the console has said since this was last asked."""
        return [str(entry["message"]) for entry in await to_thread.run_sync(self._driver.get_log, "browser")]

    async def shifts(self) -> Sequence[str]:
        """What has moved, without that anybody had touched it, since this was last asked."""
        moved = await self.run("const all = window.shifts; window.shifts = []; return all")
        return [f"{shift['value']}: {shift['of']}" for shift in moved if shift["value"] > 0]

    async def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen, or all of the page, as PNG."""
        options: dict[str, Any] = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = (await self.command("Page.getLayoutMetrics", {}))["cssContentSize"]
            options["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = await self.command("Page.captureScreenshot", options)
        await anyio.Path(path).write_bytes(b64decode(taken["data"]))


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser for the length of a block; a test is skipped where there is none."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-proxy-server",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = await to_thread.run_sync(lambda: webdriver.Chrome(options=options, service=Service(driver)))
    try:
        browser = Browser(started)
        await browser.command("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT_SHIFTS})
        yield browser
    finally:
        await to_thread.run_sync(started.quit)
