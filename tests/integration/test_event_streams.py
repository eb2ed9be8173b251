"""The event streams of the dashboard: what they say, and what they may cost."""

from __future__ import annotations

import gc
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import anyio
import psutil
import pytest

from forwarder.status.document import Point, Table
from tests.serving import Event, ScriptedStatus, events_of, get, serving
from tests.waiting import eventually

pytestmark = pytest.mark.slow

REQUEST = b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"


async def until(events: AsyncIterator[Event], name: str) -> Event:
    """The next event of that name; fails if there is none for long."""
    with anyio.fail_after(20):
        async for event in events:
            if event.name == name:
                return event
    raise AssertionError(f"the stream ended without {name}")


async def test_a_stream_begins_with_the_history_and_goes_on_with_a_status_each_second() -> None:
    status = ScriptedStatus()
    status.points = [Point(captured=5, delivered=4)]
    async with serving(status=status) as bind, events_of(bind) as events:
        with anyio.fail_after(20):
            first = [await anext(events) for _ in range(4)]
        assert [event.name for event in first] == ["", "history", "status", "tables"]
        assert first[1].data["sinks"]["default"][0]["captured"] == 5
        assert first[2].data["summary"] == "answer 1"
        assert "tables" not in first[2].data
        assert first[3].data[0]["table"] == "public.t0"
        second = await until(events, "status")
        assert second.data["summary"] == "answer 2"
        assert (first[2].id, second.id) == ("1", "2")


async def test_all_viewers_and_the_api_share_a_snapshot_and_none_is_taken_while_nobody_looks() -> None:
    status = ScriptedStatus()
    async with serving(status=status) as bind:
        assert status.asked == 0
        async with AsyncExitStack() as stack:
            viewers = [await stack.enter_async_context(events_of(bind)) for _ in range(20)]
            for _ in range(2):
                seen = {(await until(events, "status")).data["summary"] for events in viewers}
            assert len(seen) <= 2
            for _ in range(20):
                assert (await get(bind, "/api/status"))[0] == 200
            assert status.asked < 10

        async def nobody_looks() -> bool:
            before = status.asked
            await anyio.sleep(1.2)
            return status.asked == before

        await eventually(nobody_looks)
        # Who comes then is told of now, not of then.
        asked = status.asked
        async with events_of(bind) as events:
            assert (await until(events, "status")).data["summary"] == f"answer {asked + 1}"


async def test_the_api_says_what_the_stream_says_in_one() -> None:
    async with serving() as bind, aiohttp.ClientSession(f"http://{bind}") as client, client.get("/api/status") as told:
        assert told.headers["Cache-Control"] == "no-store"
        assert told.content_type == "application/json"
        body = await told.json()
    assert body["summary"] == "answer 1"
    assert body["tables"][0]["table"] == "public.t0"


async def test_tables_come_when_they_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.status.event_streams.TABLES_SECONDS", 0.5)
    status = ScriptedStatus()
    async with serving(status=status) as bind, events_of(bind) as events:
        await until(events, "tables")
        with anyio.fail_after(20):
            assert [(await anext(events)).name for _ in range(3)] == ["status"] * 3
        status.tables = [Table(sink="default", table="public.new", state="loading")]
        assert (await until(events, "tables")).data[0]["table"] == "public.new"


async def test_while_the_database_lets_wait_streams_stay_open_and_go_on_when_it_is_back() -> None:
    status = ScriptedStatus()
    async with serving(status=status) as bind, events_of(bind) as events:
        await until(events, "status")
        status.answers = anyio.Event()
        heartbeat = await until(events, "")
        assert heartbeat.data is None
        status.answers.set()
        assert (await until(events, "status")).data["is_well"]


async def test_a_failure_of_the_source_is_logged_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    status = ScriptedStatus()
    status.error = RuntimeError("a bug")
    async with serving(status=status) as bind, events_of(bind) as events:

        async def asked_often() -> bool:
            return status.asked >= 3

        await eventually(asked_often)
        assert (await get(bind, "/api/status"))[0] == 500
        status.error = None
        await until(events, "status")
    assert caplog.text.count("cannot tell the status") == 1


async def test_streams_end_with_the_server_in_good_order() -> None:
    async with AsyncExitStack() as stack:
        async with serving() as bind:
            events = await stack.enter_async_context(events_of(bind))
            await until(events, "status")
        with anyio.fail_after(20):
            # An end without an end of the last chunk would be an error.
            async for _ in events:
                pass


async def test_a_client_of_http_1_0_is_served_too() -> None:
    async with serving() as bind:
        host, _, port = bind.rpartition(":")
        async with await anyio.connect_tcp(host, int(port)) as client:
            await client.send(b"GET /api/events HTTP/1.0\r\n\r\n")
            answer = b""
            with anyio.fail_after(20):
                while b"event: tables" not in answer:
                    answer += await client.receive()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body.startswith(b"retry: 2000\n\nevent: history\ndata: {")


async def test_asking_for_the_head_opens_no_stream() -> None:
    status = ScriptedStatus()
    async with (
        serving(status=status) as bind,
        aiohttp.ClientSession(f"http://{bind}") as client,
        client.head("/api/events") as head,
    ):
        assert (head.status, head.content_type) == (200, "text/event-stream")
    assert status.asked == 0


async def test_the_token_is_asked_for() -> None:
    token = "0123456789abcdef"
    async with serving(token=token) as bind:
        for path in ("/api/events", "/api/status"):
            assert (await get(bind, path))[0] == 401
        async with events_of(bind, headers={"Authorization": f"Bearer {token}"}) as events:
            await until(events, "status")


async def test_a_thousand_viewers_are_served_and_one_more_is_told_to_come_later() -> None:
    status = ScriptedStatus(tables=500)
    status.points = [Point(captured=5, delivered=4)] * 900
    process = psutil.Process()
    async with serving(status=status) as bind, AsyncExitStack() as stack:
        host, _, port = bind.rpartition(":")
        viewers = []
        for _ in range(1000):
            viewer = await stack.enter_async_context(await anyio.connect_tcp(host, int(port)))
            await viewer.send(REQUEST)
            viewers.append(viewer)
        gc.collect()
        seen: Counter[int] = Counter()

        async def watch(number: int) -> None:
            tail = b""
            while seen[number] < 2:
                received = tail + await viewers[number].receive()
                seen[number] += received.count(b"event: status")
                tail = received[-12:]

        with anyio.fail_after(100):
            async with anyio.create_task_group() as tasks:
                for number in range(1000):
                    tasks.start_soon(watch, number)
        assert all(seen[number] >= 2 for number in range(1000))
        async with aiohttp.ClientSession(f"http://{bind}") as client, client.get("/api/events") as refused:
            assert (refused.status, refused.headers["Retry-After"]) == (503, "10")
            assert "1000 event streams" in await refused.text()
        assert (await get(bind, "/healthz"))[0] == 200
        assert status.asked < 60
        open_to_us = [its for its in process.net_connections("tcp") if its.laddr.port == int(port)]
        assert len(open_to_us) >= 1000


@pytest.mark.parametrize("path", ["/api/events", "/api/status"])
async def test_clients_that_take_nothing_cost_no_memory_and_are_cut_off(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.status.viewer.PATIENCE_SECONDS", 3.0)
    monkeypatch.setattr("forwarder.status.connections.ANSWER_SECONDS", 4.0)
    # Two megabytes of tables: far more than the system takes for a client that does not.
    status = ScriptedStatus(tables=5000)
    process = psutil.Process()
    async with serving(status=status) as bind, AsyncExitStack() as stack, events_of(bind) as events:
        await until(events, "tables")
        gc.collect()
        before = process.memory_info().rss
        host, _, port = bind.rpartition(":")
        for _ in range(200):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.settimeout(0)
            slow.connect_ex((host, int(port)))
            stack.callback(slow.close)
            await anyio.wait_writable(slow)
            slow.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())

        async def cut_off() -> bool:
            served = [its for its in process.net_connections("tcp") if its.laddr.port == int(port)]
            return sum(its.status == "ESTABLISHED" for its in served) == 1

        most = 0

        async def all_are_cut_off() -> bool:
            nonlocal most
            most = max(most, process.memory_info().rss - before)
            return await cut_off()

        await eventually(all_are_cut_off, within_seconds=30)
        await until(events, "status")
    # 200 copies would be 400 MB.
    assert most < 100 << 20
