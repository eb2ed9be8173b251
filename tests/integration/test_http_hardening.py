"""What the HTTP server says to those who ask for what they should not, or in a way that costs too much."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import anyio
import psutil
import pytest

from forwarder.metrics import Metrics
from forwarder.status import assets
from tests.serving import free_address, get, sent, serving
from tests.waiting import eventually

TOKEN = "0123456789abcdef-of-nobody"
PAGE = b"<!doctype html>"


@pytest.fixture
def dashboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the dashboard, with a page and a script of ours."""
    folder = tmp_path / "dashboard"
    (folder / "charts").mkdir(parents=True)
    (folder / "index.html").write_bytes(PAGE)
    (folder / "charts" / "line.js").write_text("export {};")
    (folder / "notes.md").write_text("not part of it")
    (tmp_path / "secret.txt").write_text("beside it")
    monkeypatch.setattr("forwarder.status.application.read_assets", lambda: assets.read_assets(folder))
    return folder


def head_of(answer: bytes) -> tuple[int, str]:
    """The status, and all headers in lower case."""
    head = answer.partition(b"\r\n\r\n")[0].decode().lower()
    return int(head.split()[1]), head


async def test_the_page_and_its_files_are_served_so_that_nothing_from_elsewhere_runs(dashboard: Path) -> None:
    async with serving() as bind, aiohttp.ClientSession(f"http://{bind}") as client:
        async with client.get("/") as page:
            assert (page.status, page.content_type, await page.read()) == (200, "text/html", PAGE)
            assert page.headers["Content-Security-Policy"] == assets.PAGE_POLICY
            assert page.headers["X-Content-Type-Options"] == "nosniff"
            assert page.headers["Referrer-Policy"] == "no-referrer"
        async with client.get("/assets/charts/line.js") as script:
            assert (script.status, script.content_type) == (200, "text/javascript")
            tag = script.headers["ETag"]
        async with client.get("/assets/charts/line.js", headers={"If-None-Match": tag}) as again:
            assert (again.status, await again.read()) == (304, b"")
        async with client.head("/") as head:
            assert (head.status, await head.read()) == (200, b"")


async def test_no_path_leads_out_of_the_dashboards_files(dashboard: Path) -> None:
    tried = (
        "/assets/../secret.txt",
        "/assets/%2e%2e/secret.txt",
        "/assets/..%2fsecret.txt",
        "/assets/charts/../../secret.txt",
        "/assets//etc/passwd",
        "/assets/%00index.html",
        "/assets/notes.md",
        "/assets/charts",
        "/../secret.txt",
        "/assets/..\\secret.txt",
    )
    async with serving() as bind:
        for path in tried:
            answer = await sent(bind, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            status, _ = head_of(answer)
            assert status in (400, 404), path
            assert b"beside it" not in answer


async def test_an_unknown_path_and_method_are_refused_in_one_line() -> None:
    async with serving() as bind, aiohttp.ClientSession(f"http://{bind}") as client:
        async with client.get("/nothing") as unknown:
            body = await unknown.text()
            assert unknown.status == 404
            assert body.count("\n") == 1
            assert "dashboard" in json.loads(body)["error"]
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            async with client.request(method, "/metrics") as refused:
                assert (refused.status, refused.headers["Allow"]) == (405, "GET,HEAD")


async def test_a_body_is_refused_and_not_read() -> None:
    async with serving() as bind:
        for framing in ("Content-Length: 100000000000", "Transfer-Encoding: chunked"):
            answer = await sent(bind, f"GET /metrics HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
            assert head_of(answer)[0] == 413


async def test_a_huge_head_is_refused_and_repeated_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    heads = (
        f"Authorization: Bearer {TOKEN}{'x' * 20_000}",
        "\r\n".join(f"X-{number}: {TOKEN}" for number in range(1000)),
        f"{TOKEN}{'x' * 20_000}: y",
        f"Bad header {TOKEN}",
    )
    async with serving(token=TOKEN) as bind:
        for head in heads:
            answer = await sent(bind, f"GET /metrics HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
            assert head_of(answer)[0] == 400
            assert TOKEN.encode() not in answer
        assert head_of(await sent(bind, b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n"))[0] == 400
        assert head_of(await sent(bind, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"))[0] == 400
        assert (await get(bind, "/healthz"))[0] == 200
    assert caplog.text == ""


async def test_a_name_that_may_be_a_strangers_is_refused_but_for_health_checks() -> None:
    async with serving(hosts=["forwarder.example.com"]) as bind:
        for host, status in {
            "rebound.example.net": 403,
            "rebound.example.net:8080": 403,
            "127.0.0.1.example.net": 403,
            "forwarder.example.com": 200,
            "FORWARDER.example.com:443": 200,
            bind: 200,
            "[::1]:8080": 200,
            "localhost:8080": 200,
            "listen": 200,
            "forwarder.prod.internal": 200,
        }.items():
            async with aiohttp.ClientSession(f"http://{bind}", headers={"Host": host}) as client:
                async with client.get("/metrics") as told:
                    assert told.status == status, host
                for path, ready in (("/healthz", 200), ("/readyz", 503)):
                    async with client.get(path) as health:
                        assert health.status == ready, host
        # As health checks of HTTP/1.0 ask.
        assert head_of(await sent(bind, b"GET /metrics HTTP/1.0\r\n\r\n"))[0] == 200


async def test_without_the_token_there_are_health_checks_and_the_page_alone(dashboard: Path) -> None:
    async with serving(token=TOKEN) as bind, aiohttp.ClientSession(f"http://{bind}") as client:
        for given in (
            None,
            "",
            "Bearer",
            f"Bearer {TOKEN[:-1]}",
            f"Bearer {TOKEN}x",
            f"Basic {TOKEN}",
            TOKEN,
            "Bearer ü",
        ):
            headers = {} if given is None else {"Authorization": given}
            async with client.get("/metrics", headers=headers) as refused:
                assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="forwarder"')
                assert TOKEN not in await refused.text()
            async with client.get(f"/metrics?token={TOKEN}", headers=headers) as in_the_address:
                assert in_the_address.status == 401
            for path, status in {"/healthz": 200, "/readyz": 503, "/": 200, "/assets/charts/line.js": 200}.items():
                async with client.get(path, headers=headers) as open_to_all:
                    assert open_to_all.status == status
        for scheme in ("Bearer", "bearer"):
            async with client.get("/metrics", headers={"Authorization": f"{scheme} {TOKEN}"}) as told:
                assert told.status == 200


async def test_a_client_that_drips_its_request_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.status.connections.HEAD_SECONDS", 0.3)
    monkeypatch.setattr("forwarder.status.connections._LOOK_SECONDS", 0.05)
    async with serving() as bind:
        host, _, port = bind.rpartition(":")
        async with await anyio.connect_tcp(host, int(port)) as client:
            await client.send(b"GET /metrics HTTP/1.1\r\n")

            async def is_cut_off() -> bool:
                try:
                    await client.send(b"X: y\r\n")
                    with anyio.move_on_after(0.01):
                        await client.receive()
                except (anyio.BrokenResourceError, anyio.EndOfStream):
                    return True
                return False

            await eventually(is_cut_off)


async def test_a_silent_client_is_cut_off_and_one_that_has_asked_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.status.connections.HEAD_SECONDS", 0.3)
    monkeypatch.setattr("forwarder.status.connections._LOOK_SECONDS", 0.05)
    async with serving() as bind, aiohttp.ClientSession(f"http://{bind}") as client:
        assert (await client.get("/healthz")).status == 200
        assert await sent(bind, b"") == b""
        connector = client.connector
        assert isinstance(connector, aiohttp.TCPConnector)
        kept = {its.laddr.port for its in psutil.Process().net_connections("tcp") if its.status == "ESTABLISHED"}
        assert int(bind.rpartition(":")[2]) in kept


async def test_silent_clients_make_room_for_a_health_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.status.connections.MOST_CONNECTIONS", 20)
    async with serving() as bind, AsyncExitStack() as clients:
        host, _, port = bind.rpartition(":")
        for _ in range(50):
            await clients.enter_async_context(await anyio.connect_tcp(host, int(port)))
            assert (await get(bind, "/healthz"))[0] == 200

        async def few_are_open() -> bool:
            served = [its for its in psutil.Process().net_connections("tcp") if its.laddr.port == int(port)]
            return sum(its.status == "ESTABLISHED" for its in served) <= 20

        await eventually(few_are_open)


async def test_a_failure_of_what_is_told_is_one_answer_and_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()

    def fail() -> bytes:
        raise RuntimeError

    monkeypatch.setattr(metrics, "exposition", fail)
    async with serving(metrics=metrics) as bind:
        status, body = await get(bind, "/metrics")
        assert (status, list(body)) == (500, ["error"])
        assert (await get(bind, "/healthz"))[0] == 200
    assert "cannot answer" in caplog.text


async def test_a_scrape_during_the_shutdown_is_whole_or_refused() -> None:
    bind = free_address()
    answers: list[tuple[int, bytes]] = []
    async with anyio.create_task_group() as tasks:

        async def scrape() -> None:
            async with aiohttp.ClientSession(f"http://{bind}") as client:
                while True:
                    try:
                        async with client.get("/metrics") as answer:
                            answers.append((answer.status, await answer.read()))
                    except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError, ConnectionResetError):
                        return

        async with serving(bind=bind):
            for _ in range(10):
                tasks.start_soon(scrape)

            async def all_scrape() -> bool:
                return len(answers) > 50

            await eventually(all_scrape)
    assert all(status == 200 and body.endswith(b"\n") for status, body in answers)
