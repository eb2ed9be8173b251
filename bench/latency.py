"""How long after its commit a change is in the stream."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import msgspec

from bench.figures import Figure, quantile
from bench.pgbench import pgbench
from bench.rig import SHARDS, STREAM, Rig, rig, sink_url
from bench.size import Size
from forwarder.local.kinesis import LocalKinesis, serve
from forwarder.local.kinesis.faults import Decision
from forwarder.local.kinesis.operations import Call
from forwarder.local.kinesis.protocol import PutRecordsRequest

RATE = 500
_CLIENTS = 8

# A client and the number of one of its transactions: in the row, so in the record, and in pgbench's log.
Send = tuple[int, int]


class _Row(msgspec.Struct):
    sender: int
    sent: int


class _Event(msgspec.Struct):
    after: _Row


_EVENT = msgspec.json.Decoder(_Event)


class Arrivals(LocalKinesis):
    """Notes, by the system's clock, when each record was stored and its acknowledgement was ready to be sent."""

    def __init__(self) -> None:
        super().__init__(discard=True)
        self._noted: list[tuple[float, bytes]] = []

    def answer(self, call: Call, decision: Decision) -> bytes:
        body = super().answer(call, decision)
        if isinstance(call.request, PutRecordsRequest):
            now = time.time()
            self._noted += ((now, entry.data) for entry in call.request.records)
        return body

    def __len__(self) -> int:
        return len(self._noted)

    def take(self) -> Mapping[Send, float]:
        """When each record first arrived; forgets them. What was noted is read only now, to disturb nothing."""
        arrivals: dict[Send, float] = {}
        for at, data in self._noted:
            row = _EVENT.decode(data).after
            arrivals.setdefault((row.sender, row.sent), at)
        self._noted.clear()
        return arrivals


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Milliseconds from the return of COMMIT to the stored record, at a rate that leaves the listener time to sleep."""
    kinesis = Arrivals()
    kinesis.create_stream(STREAM, shards=SHARDS)
    async with rig() as ready, serve(kinesis) as endpoint, ready.listener(sink_url(endpoint.url)):
        measured = [await _latencies(ready, kinesis, seconds=size.latency_seconds) for _ in range(runs)]
    return [
        _figure("half of the changes within", measured, share=0.5, at_most=10),
        _figure("99 % within", measured, share=0.99, at_most=50),
        _figure("all within", measured, share=1.0),
        Figure(name="changes", unit="", runs=[len(run) for run in measured]),
    ]


async def _latencies(ready: Rig, kinesis: Arrivals, *, seconds: int) -> Sequence[float]:
    log = ready.directory / "commits"
    await pgbench(ready, f"--time={seconds}", f"--rate={RATE}", "--log", f"--log-prefix={log}", clients=_CLIENTS)
    commits = _commits(log)
    with anyio.fail_after(60):
        while len(kinesis) < len(commits):  # noqa: ASYNC110 - at the end of a run, when nothing is measured any more
            await anyio.sleep(0.1)
    arrivals = kinesis.take()
    return [1000 * (arrivals[send] - committed) for send, committed in commits.items()]


def _commits(log: Path) -> Mapping[Send, float]:
    """When each COMMIT had returned, from pgbench's log of transactions: by the system's clock, in microseconds.

    See https://www.postgresql.org/docs/18/pgbench.html, "Per-Transaction Logging".
    """
    commits: dict[Send, float] = {}
    for part in log.parent.glob(f"{log.name}.*"):
        for line in part.read_text().splitlines():
            client, number, _, _, seconds, microseconds, *_ = map(int, line.split())
            commits[client, number] = seconds + microseconds / 1e6
        part.unlink()
    return commits


def _figure(name: str, measured: Sequence[Sequence[float]], *, share: float, at_most: float | None = None) -> Figure:
    return Figure(name=name, unit="ms", runs=[quantile(run, share) for run in measured], digits=1, at_most=at_most)
