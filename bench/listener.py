"""``forwarder listen --once`` as a process of its own, and what it took."""

import json
import resource
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio

from bench.rig import Rig

_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """One run of the command.

    ``drain_seconds`` lie between its log lines ``listening`` and ``stopped``. The rest is of the whole process, from its
    start to its end, with the start of Python and every import in it.
    """

    drain_seconds: float
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int


async def listen_once(rig: Rig, sink_url: str) -> Drained:
    """Deliver all there is, as a user would."""
    cpu_before, began = cpu_of_children(), time.perf_counter()
    async with rig.forwarder("listen", "--once", f"--sink={sink_url}") as listener, anyio.create_task_group() as tasks:
        peak = Peak(listener.pid)
        tasks.start_soon(peak.watch)
        first, last = await listener.says('"listening"'), await listener.says('"stopped"')
        await listener.succeed()
        wall_seconds = time.perf_counter() - began
        tasks.cancel_scope.cancel()
    return Drained(
        drain_seconds=_at(last) - _at(first),
        wall_seconds=wall_seconds,
        cpu_seconds=cpu_of_children() - cpu_before,
        peak_rss_bytes=peak.rss_bytes,
    )


class Peak:
    """The most memory that a process has had resident.

    The kernel keeps the peak itself (VmHWM), so none between two looks is missed; only the last moments before the end are.
    Its other answer, ru_maxrss, would count what *this* process had resident when it started the other.
    """

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.rss_bytes = 0

    async def watch(self) -> None:
        """Look until cancelled, or until the process is gone."""
        while self._look():  # noqa: ASYNC110 - the kernel tells nobody
            await anyio.sleep(_SAMPLE_SECONDS)

    def _look(self) -> bool:
        try:
            lines = self._status.read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return False
        for line in lines:
            if line.startswith("VmHWM:"):
                self.rss_bytes = int(line.split()[1]) << 10
        return True


def cpu_of_children() -> float:
    """Of those that have ended. Between two calls nothing ends but the listener."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _at(line: str) -> float:
    return datetime.fromisoformat(json.loads(line)["at"]).timestamp()
