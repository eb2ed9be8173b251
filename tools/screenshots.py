"""Takes the pictures of the dashboard in ``docs/``, by one page that looks at a demo for as long as the charts go back. ``make screenshots``"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import anyio
from rich.console import Console

from forwarder.demo.demo import Demo, Options
from forwarder.demo.screen import Screen
from tests.support.browser import PHONE, chromium

PICTURES = Path(__file__).parents[1] / "docs"
# So much of the page: all of the outbox.
DESKTOP = (1360, 1120)
# The charts are full after 15 minutes. The demo kills its listener in the middle, which they show.
SECONDS = 960.0
# Transactions a second, of some four changes each.
RATE = 90.0
# The demo takes so long to its end that the page can be looked at before.
_EARLIER_SECONDS = 10.0
_ANNOUNCED = "dashboard on "


class _Listening(Screen):
    """The screen of a demo, which notes where its dashboard is."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.url = ""
        self.has_url = anyio.Event()

    def step(self, text: str) -> None:
        super().step(text)
        if text.startswith(_ANNOUNCED):
            self.url = text.removeprefix(_ANNOUNCED)
            self.has_url.set()


async def take(seconds: float) -> None:
    """Run the demo and write ``dashboard.png``, light on a desktop, and ``dashboard-phone.png``, dark on a phone."""
    screen = _Listening(Console(stderr=True))
    demo = Demo(Options(seconds=seconds, rate=RATE, keep=False), screen)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(demo.run)
        await screen.has_url.wait()
        async with chromium() as browser:
            await browser.open(screen.url, size=DESKTOP)
            await anyio.sleep(seconds - _EARLIER_SECONDS)
            await browser.picture(PICTURES / "dashboard.png")
            await browser.show_as(size=PHONE, theme="dark")
            # The charts have to be drawn anew for that width.
            await anyio.sleep(2)
            await browser.picture(PICTURES / "dashboard-phone.png")
        demo.stop()


if __name__ == "__main__":
    anyio.run(partial(take, float(sys.argv[1]) if sys.argv[1:] else SECONDS), backend_options={"use_uvloop": True})
