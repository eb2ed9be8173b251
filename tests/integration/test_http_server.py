from __future__ import annotations

from contextlib import AsyncExitStack

import anyio
import psutil
import pytest

from forwarder.errors import Refused
from forwarder.health import LoadProgress, OutboxState, Phase, ServiceState
from forwarder.metrics import Metrics
from tests.serving import free_address, get, sent, serving
from tests.waiting import eventually


@pytest.fixture
def bind() -> str:
    return free_address()


@pytest.mark.parametrize("phase", list(Phase))
async def test_the_process_is_alive_in_every_phase(bind: str, phase: Phase) -> None:
    async with serving({"default": ServiceState(phase=phase, trouble="any")}, bind=bind):
        assert await get(bind, "/healthz") == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("phase", "trouble", "status"),
    [
        (Phase.STARTING, None, 503),
        (Phase.STANDBY, None, 200),
        (Phase.LEADING, None, 200),
        (Phase.LEADING, "the stream does not answer", 503),
        (Phase.RECONNECTING, "the database does not answer", 503),
        (Phase.STOPPING, None, 503),
    ],
)
async def test_it_is_ready_when_it_delivers_or_stands_by(
    bind: str, phase: Phase, trouble: str | None, status: int
) -> None:
    async with serving({"default": ServiceState(phase=phase, trouble=trouble)}, bind=bind):
        sinks = {"default": {"phase": phase.value, "trouble": trouble}}
        body: dict[str, object] = {"status": "ready" if status == 200 else "not ready", "sinks": sinks, "warnings": []}
        assert await get(bind, "/readyz") == (status, body)


async def test_a_stuck_sink_may_be_as_ready_as_others(bind: str) -> None:
    states = {"default": ServiceState(phase=Phase.LEADING, trouble="the stream does not answer")}
    async with serving(states, bind=bind, ready_when_stuck=True):
        status, body = await get(bind, "/readyz")
        assert (status, body["status"]) == (200, "ready")
        assert body["sinks"]["default"]["trouble"] == "the stream does not answer"
        states["default"].enter(Phase.RECONNECTING)
        assert (await get(bind, "/readyz"))[0] == 503


async def test_a_warning_shows_and_changes_no_status(bind: str) -> None:
    async with serving(
        {"default": ServiceState(phase=Phase.LEADING)}, OutboxState(warnings=("the outbox is large",)), bind=bind
    ):
        status, body = await get(bind, "/readyz")
    assert (status, body["warnings"]) == (200, ["the outbox is large"])


async def test_a_standby_behind_a_stranger_is_not_ready_and_says_why(bind: str) -> None:
    state = ServiceState(phase=Phase.STANDBY, usurpation="the lock is held by a stranger")
    async with serving({"default": state}, bind=bind):
        status, body = await get(bind, "/readyz")
    assert status == 503
    assert body["sinks"] == {"default": {"phase": "standby", "trouble": "the lock is held by a stranger"}}


async def test_the_warnings_of_the_outbox_and_of_every_sink_show(bind: str) -> None:
    states = {
        "one": ServiceState(phase=Phase.STANDBY, warning="stuck"),
        "other": ServiceState(phase=Phase.LEADING, stream_warnings=("stream public-orders: not found",)),
    }
    async with serving(states, OutboxState(warnings=("large",)), bind=bind):
        status, body = await get(bind, "/readyz")
    assert (status, body["warnings"]) == (200, ["large", "stuck", "stream public-orders: not found"])


async def test_loads_show_and_a_failed_one_is_warned_of(bind: str) -> None:
    load = LoadProgress(table="public.orders", state="running", rows=5, bytes=50, estimated_rows=9)
    state = ServiceState(phase=Phase.LEADING, loads=[load], load_warnings=["the load of public.items has failed"])
    async with serving({"default": state}, bind=bind):
        status, body = await get(bind, "/readyz")
    assert (status, body["warnings"]) == (200, ["the load of public.items has failed"])
    loads = [{"table": "public.orders", "state": "running", "rows": 5, "bytes": 50, "estimated_rows": 9}]
    assert body["sinks"] == {"default": {"phase": "leading", "trouble": None, "loads": loads}}


async def test_a_change_of_state_shows_at_once(bind: str) -> None:
    state = ServiceState()
    async with serving({"default": state}, bind=bind):
        assert (await get(bind, "/readyz"))[0] == 503
        state.phase = Phase.LEADING
        assert (await get(bind, "/readyz"))[0] == 200


async def test_an_address_in_use_is_refused_with_the_remedy(bind: str) -> None:
    async with serving({"default": ServiceState()}, bind=bind):
        with pytest.raises(Refused, match="FORWARDER_HTTP_BIND"):
            async with serving({"default": ServiceState()}, bind=bind):
                pass


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(Refused, match=r"cannot serve HTTP on 192\.0\.2\.1:8080"):
        async with serving(bind="192.0.2.1:8080"):
            pass


async def test_it_serves_on_every_address_of_a_list(bind: str) -> None:
    both = [bind, f"[::1]:{free_address().rpartition(':')[2]}"]
    async with serving(bind=both):
        for address in both:
            assert (await get(address, "/healthz"))[0] == 200


async def test_an_address_in_use_frees_those_before_it(bind: str) -> None:
    other = free_address()
    async with serving(bind=bind):
        with pytest.raises(Refused, match=f"cannot serve HTTP on {bind}"):
            async with serving(bind=[other, bind]):
                pass
    async with serving(bind=other):
        pass


async def test_the_address_is_free_again_afterwards(bind: str) -> None:
    for _ in range(2):
        async with serving({"default": ServiceState()}, bind=bind):
            assert (await get(bind, "/healthz"))[0] == 200


async def test_a_client_that_reads_nothing_does_not_keep_its_connection(
    bind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    monkeypatch.setattr(metrics, "exposition", lambda: b"x" * (64 << 20))
    monkeypatch.setattr("forwarder.status.connections.ANSWER_SECONDS", 0.5)
    host, _, port = bind.rpartition(":")
    async with AsyncExitStack() as clients, serving(metrics=metrics, bind=bind):
        client = await clients.enter_async_context(await anyio.connect_tcp(host, int(port)))
        await client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await client.receive(1)

        async def is_closed() -> bool:
            served = [its for its in psutil.Process().net_connections("tcp") if its.laddr.port == int(port)]
            return [its.status for its in served] == ["LISTEN"]

        await eventually(is_closed)


async def test_a_client_that_reads_nothing_does_not_delay_the_end(bind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    monkeypatch.setattr(metrics, "exposition", lambda: b"x" * (64 << 20))
    host, _, port = bind.rpartition(":")
    with anyio.fail_after(20):
        async with AsyncExitStack() as clients, serving(metrics=metrics, bind=bind):
            client = await clients.enter_async_context(await anyio.connect_tcp(host, int(port)))
            await client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await client.receive(1)


async def test_a_head_of_the_status_has_its_length_and_no_body() -> None:
    async with serving() as bind:
        whole = await sent(bind, b"GET /api/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = await sent(bind, b"HEAD /api/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    told, _, body = whole.partition(b"\r\n\r\n")
    assert body.endswith(b"}\n")
    assert b"Content-Length: %d\r\n" % len(body) in told
    assert head.endswith(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(body) in head
