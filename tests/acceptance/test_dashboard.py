"""The page of `forwarder listen` in a headless Chromium: `apt-get install chromium chromium-driver`."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from itertools import count, islice
from pathlib import Path

import anyio
import pytest

from tests.databases import Database
from tests.ledger import Ledger, write_rows
from tests.listening import CREDENTIALS, Served, command
from tests.proxy import proxy
from tests.support.browser import DESKTOP, PHONE, Browser, Theme, chromium
from tests.support.ports import free_port
from tests.support.scenes import LONG, STUCK, Scene
from tests.support.staged import staged
from tests.waiting import eventually

THEMES: Sequence[Theme] = ("light", "dark")
AXE = "axe-core@4.14.1"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
async def started() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def browser(started: Browser) -> Browser:
    """As it was in the beginning: what a page of another test complains of is not ours."""
    await started.open("about:blank")
    await started.complaints()
    return started


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program that looks for what keeps people from using a page: https://github.com/dequelabs/axe-core"""
    if not shutil.which("npm"):
        pytest.skip("axe-core needs npm, which is not here")
    directory = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", f"--prefix={directory}", AXE]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot install {AXE}: {done.stderr.strip()[-300:]}")
    return (Path(directory) / "node_modules" / "axe-core" / "axe.min.js").read_text()


async def shown(browser: Browser) -> None:
    """Wait until the page has been filled."""

    async def is_shown() -> bool:
        return bool(await browser.run("return !document.getElementById('content').hidden"))

    await eventually(is_shown)


async def heard(browser: Browser, *, times: int) -> None:
    """Wait for so many more seconds of what the listener says."""
    for _ in range(times):
        before = await browser.text("#pulse-text")

        async def differs(before: str = before) -> bool:
            return await browser.text("#pulse-text") != before

        await eventually(differs)


async def test_each_scene_is_shown_without_a_complaint_of_the_console(browser: Browser) -> None:
    async with staged("calm") as server:
        for scene in Scene.names():
            server.scene = scene
            await browser.open(server.url)
            await shown(browser)

            document = Scene(scene, began_at=time.time()).document(int(time.time()))
            said = await browser.text("#remedy" if document.is_well else "#summary")
            assert said[1:12] == document.summary[1:12]
            assert await browser.run("return document.querySelectorAll('.sink-card').length") == len(document.sinks)
            assert await browser.complaints() == []


async def test_figures_move_and_nothing_else_does_on_a_phone(browser: Browser) -> None:
    async with staged("load") as server:
        await browser.open(server.url, size=PHONE)
        await shown(browser)
        delivered = await browser.text(".sink-card .delivered dd")
        line = await browser.run("return document.querySelector('.plot .delivered').getAttribute('d')")
        await heard(browser, times=4)

        assert await browser.text(".sink-card .delivered dd") != delivered
        assert await browser.run("return document.querySelector('.plot .delivered').getAttribute('d')") != line
        assert await browser.shifts() == []
        assert await browser.run("return document.documentElement.scrollWidth") == PHONE[0]


async def test_trouble_shows_with_its_remedy_and_goes(browser: Browser) -> None:
    async with staged("calm") as server:
        await browser.open(server.url)
        await browser.says("#summary", "All is well")

        server.scene = "stuck"
        await browser.says("#summary", "does not exist", within_seconds=3)
        assert "aws kinesis create-stream" in await browser.text("#remedy")
        assert STUCK.text[1:] in await browser.text(".sink-card .problem")
        assert await browser.run("return document.title") == "!! forwarder"

        server.scene = "calm"
        await browser.says("#summary", "All is well", within_seconds=3)
        assert await browser.text(".sink-card .problem") == ""


async def test_a_listener_that_is_gone_or_mute_shows_within_three_seconds_and_the_page_recovers(
    browser: Browser,
) -> None:
    async with staged("calm") as server:
        port = server.port
        await browser.open(server.url)
        await shown(browser)

        server.is_mute = True
        assert "since" in await browser.says("#summary", "No word from the listener", within_seconds=4)
        server.is_mute = False
        await browser.says("#summary", "All is well")
    await browser.says("#summary", "No word from the listener", within_seconds=4)
    async with staged("calm", port=port):
        await browser.says("#summary", "All is well")
    refused = [text for text in await browser.complaints() if "api/events" not in text]
    assert refused == []


async def test_a_listener_with_too_many_viewers_is_asked_again(browser: Browser) -> None:
    async with staged("calm") as server:
        server.refuses = 8
        await browser.open(server.url)
        await browser.says("#remedy", "as many viewers as it serves")
        await browser.says("#summary", "All is well")
    await browser.complaints()


async def test_a_token_is_asked_for_and_kept_for_the_tab(browser: Browser) -> None:
    async with staged("calm", token="s3cret") as server:
        await browser.open(server.url)
        await browser.says("#summary", "asks for a token")
        assert await browser.run("return document.activeElement.id") == "token"

        await browser.enter("#token", "wrong")
        await browser.press("#access button")
        await browser.says("#refusal", "That is not its token.")
        await browser.enter("#token", "s3cret")
        await browser.press("#access button")
        await browser.says("#summary", "All is well")
        assert await browser.text("#access") == ""

        await browser.open(server.url)
        await browser.says("#summary", "All is well")
        await browser.run("sessionStorage.clear()")
        await browser.open("about:blank")
        await browser.open(f"{server.url}#token=s3cret")
        await browser.says("#summary", "All is well")
        assert await browser.run("return location.href") == server.url
        await browser.run("sessionStorage.clear()")
    assert [text for text in await browser.complaints() if "401" not in text] == []


async def test_thousands_of_tables_are_searched_sorted_and_walked_through_few_rows(browser: Browser) -> None:
    async with staged("tables") as server:
        await browser.open(server.url)
        await shown(browser)
        await browser.says("#tables-note", "5,000 tables")
        rows = "return document.querySelectorAll('#scroller tbody:not(.spacer) tr').length"
        assert 10 < await browser.run(rows) < 60

        await browser.run("document.getElementById('scroller').scrollTop = 1e9")
        await browser.says("#scroller", "tenant_0499")
        assert await browser.run(rows) < 60

        await browser.command("Input.dispatchKeyEvent", {"type": "keyDown", "key": "/", "text": "/"})
        assert await browser.run("return document.activeElement.id") == "search"
        await browser.enter("#search", "vouchers 0042")
        await browser.says("#tables-note", "1 of 5,000 tables")
        await browser.press("#scroller .name")
        assert LONG in await browser.text("#detail")
        await browser.press("#detail button")

        await browser.enter("#search", "")
        await browser.press("#scroller th.inserts button")
        top = "return [...document.querySelectorAll('#scroller td.inserts')].slice(0, 9).map((cell) => +cell.innerText.replaceAll(',', ''))"
        inserts = await browser.run(top)
        assert inserts == sorted(inserts, reverse=True)
        assert (
            await browser.run("return document.querySelector('#scroller th.inserts').getAttribute('aria-sort')")
            == "descending"
        )

        await browser.run(
            "const s = document.getElementById('state-filter'); s.value = 'attention'; s.dispatchEvent(new Event('change'))"
        )
        assert "of 5,000 tables" in await browser.says("#tables-note", "of")
        assert await browser.complaints() == []


async def test_the_theme_follows_the_system_until_one_is_chosen(browser: Browser) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    async with staged("calm") as server:
        await browser.open(server.url, theme="dark")
        dark = await browser.run(ground)
        await browser.open(server.url, theme="light")
        light = await browser.run(ground)
        assert dark != light

        await browser.press("#theme")
        await browser.press("#theme")
        assert await browser.run(ground) == dark
        await browser.open(server.url, theme="light")
        assert await browser.run(ground) == dark
        await browser.run("localStorage.clear()")


async def test_the_parts_of_the_page_that_are_pure(browser: Browser) -> None:
    async with staged("calm") as server:
        await browser.open(server.url)
        figures = """
            const { duration, size, short, rate, percent } = await import("/assets/figures.js");
            return [0, 0.0123, 1, 4.21, 59.9, 300, 7_500, 400_000, null].map(duration)
                .concat([0, 999, 1_500, 26e6, 1.5e12].map(size), [7.44, 12_345, 3.4e6].map(short), [0, 0.24, 5, 1240.6].map(rate), percent(0.125))
                .map((text) => text.replaceAll("\u00a0", " "));
        """
        assert await browser.run(figures) == [
            *("0 s", "12 ms", "1 s", "4.2 s", "60 s", "5 min", "2 h 5 min", "4 days", "\N{EN DASH}"),
            *("0 B", "999 B", "1.5 kB", "26 MB", "1.5 TB"),
            *("7.4", "12k", "3.4M"),
            *("0", "0.2", "5", "1,241"),
            "13 %",
        ]
        events = """
            const { serverSentEvents } = await import("/assets/sse.js");
            const bytes = new TextEncoder().encode("retry: 70\\r\\n: beat\\n\\nevent: a\\r\\ndata: 1\\r\\ndata:é\\n\\nid: 4\\ndata: 2\\r\\r");
            const found = [];
            for (const step of [1, 2, 5, 1000]) {
                const pieces = [];
                for (let at = 0; at < bytes.length; at += step) pieces.push(bytes.slice(at, at + step));
                let retry = null;
                pieces.push(new Uint8Array([10]));
                const body = new ReadableStream({ start(to) { for (const piece of pieces) to.enqueue(piece); to.close(); } });
                const all = [];
                for await (const one of serverSentEvents(body, (wait) => { retry = wait; })) if (one) all.push(one);
                found.push(JSON.stringify([retry, all]));
            }
            return [...new Set(found)];
        """
        assert await browser.run(events) == [
            '[70,[{"event":"a","data":"1\\né"},{"event":"message","data":"2"}]]',
        ]
        lines = """
            const { ceiling, line, area } = await import("/assets/scale.js");
            return [ceiling(0, 10), ceiling(11, 10), ceiling(2400), ceiling(3e9),
                line([[0, 1], [1, 2], [2, null], [3, 4]]), area([[0, 1], [1, 2]], 9)];
        """
        assert await browser.run(lines) == [
            10,
            20,
            5000,
            5e9,
            "M0.0 1.0L1.0 2.0M3.0 4.0h0",
            "M0.0 9L0.0 1.0L1.0 2.0L1.0 9Z",
        ]


async def test_the_page_of_a_real_listener_moves_under_load_and_tells_of_a_dead_sink(
    browser: Browser, database: Database, served: Served, ledger: Ledger, tmp_path: Path
) -> None:
    port = free_port()
    ids = count(1000)

    async def write() -> None:
        while True:
            await write_rows(ledger, database.url, *islice(ids, 20))

    async def has_delivered() -> bool:
        return await browser.text(".sink-card .delivered dd") not in ("", "0", "\N{EN DASH}")

    async with proxy(served.endpoint_url) as way, anyio.create_task_group() as tasks:
        env = {
            **CREDENTIALS,
            "FORWARDER_DATABASE_URL": database.url,
            "FORWARDER_SINK": served.sink.replace(served.endpoint_url, way.url),
            "FORWARDER_HTTP_BIND": f"127.0.0.1:{port}",
            "FORWARDER_HTTP_TOKEN": "s3cret-of-the-listener",
        }
        async with command("listen", env=env, directory=tmp_path / "listener") as listener:
            await listener.says("listening")
            tasks.start_soon(write)
            await browser.open(f"http://127.0.0.1:{port}/#token=s3cret-of-the-listener", size=PHONE)
            await browser.says("#summary", "All is well")
            await eventually(has_delivered)
            await browser.says("#scroller", "public.account")
            line = await browser.run("return document.querySelector('.plot .delivered').getAttribute('d')")
            await browser.shifts()
            await heard(browser, times=3)
            assert await browser.run("return document.querySelector('.plot .delivered').getAttribute('d')") != line
            assert await browser.shifts() == []

            way.refuse()
            way.cut()
            await browser.says(".sink-card .pill", "stuck", within_seconds=3)
            assert await browser.run("return document.getElementById('verdict').dataset.state") == "bad"
            assert await browser.text(".sink-card .problem .what")
            way.accept()
            await browser.says("#summary", "All is well", within_seconds=20)
            assert await browser.complaints() == []
            tasks.cancel_scope.cancel()


async def test_the_page_of_a_standby_says_who_leads_and_takes_over(
    browser: Browser, database: Database, served: Served, ledger: Ledger, tmp_path: Path
) -> None:
    await write_rows(ledger, database.url, 1000)
    ports = [free_port(), free_port()]
    common = {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}
    envs = [{**common, "FORWARDER_HTTP_BIND": f"127.0.0.1:{port}"} for port in ports]
    async with command("listen", env=envs[0], directory=tmp_path / "leader") as leader:
        await leader.says("listening")
        async with command("listen", env=envs[1], directory=tmp_path / "standby") as standby:
            await standby.says("stand")
            await browser.open(f"http://127.0.0.1:{ports[1]}/")
            await browser.says("#summary", "All is well", within_seconds=20)
            await browser.says(".sink-card .leader", f"pid {leader.process.pid}")
            await browser.says("#processes", f"pid {standby.process.pid}")

            await leader.stop()
            await browser.says(".sink-card .leader", f"pid {standby.process.pid}", within_seconds=20)
            await browser.says("#summary", "All is well", within_seconds=20)
            assert await browser.complaints() == []


@pytest.mark.long
async def test_nothing_serious_keeps_anybody_from_using_it(browser: Browser, axe: str) -> None:
    found = []
    async with staged("calm") as server:
        for scene in ("load", "stuck"):
            server.scene = scene
            for theme in THEMES:
                for size in (PHONE, DESKTOP):
                    await browser.open(server.url, theme=theme, size=size)
                    await shown(browser)
                    await browser.run(axe)
                    result = await browser.run("return axe.run()")
                    found += [
                        (scene, theme, size[0], broken["id"], node["html"][:120], node["failureSummary"][:300])
                        for broken in result["violations"]
                        if broken["impact"] in ("serious", "critical")
                        for node in broken["nodes"]
                    ]
    assert found == []
