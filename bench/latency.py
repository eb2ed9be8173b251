"""How long after its commit a change is in the stream."""

from collections.abc import Sequence

import anyio

from bench.arrivals import Arrivals
from bench.figures import Figure, quantile
from bench.pgbench import pgbench, take_log
from bench.rig import SHARDS, STREAM, Rig, rig, sink_url
from bench.size import Size
from forwarder.local.kinesis import serve

RATE = 500
_CLIENTS = 8


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Milliseconds from the return of COMMIT to the stored record, at a rate that leaves the listener time to sleep."""
    kinesis = Arrivals()
    kinesis.create_stream(STREAM, shards=SHARDS)
    async with rig() as ready, serve(kinesis) as endpoint, ready.listener(sink_url(endpoint.url)):
        measured = [await latencies(ready, kinesis, seconds=size.latency_seconds) for _ in range(runs)]
    return [
        _figure("half of the changes within", measured, share=0.5, at_most=10),
        _figure("99 % within", measured, share=0.99, at_most=50),
        _figure("all within", measured, share=1.0),
        Figure(name="changes", unit="", runs=[len(run) for run in measured]),
    ]


async def latencies(ready: Rig, kinesis: Arrivals, *, seconds: int) -> Sequence[float]:
    log = ready.directory / "commits"
    await pgbench(ready, f"--time={seconds}", f"--rate={RATE}", "--log", f"--log-prefix={log}", clients=_CLIENTS)
    commits = {transaction.send: transaction.committed_at for transaction in take_log(log)}
    with anyio.fail_after(60):
        while len(kinesis) < len(commits):  # noqa: ASYNC110 - at the end of a run, when nothing is measured any more
            await anyio.sleep(0.1)
    arrivals = kinesis.take()
    return [1000 * (arrivals[send] - committed) for send, committed in commits.items()]


def _figure(name: str, measured: Sequence[Sequence[float]], *, share: float, at_most: float | None = None) -> Figure:
    return Figure(name=name, unit="ms", runs=[quantile(run, share) for run in measured], digits=1, at_most=at_most)
