"""How much of a task a configuration needs. Pure.

CPU: a change takes 14 µs of a core (bench/README.md, *drain*), 19 µs in a format that looks at each value. Half of a task's CPU is counted for that:
the rest is for TLS, which the bench has none of, for cores that are slower than those of the bench, and for catching up after an outage.
The program is one process, so that more than one core is of no use to it.

Memory: what the program takes by itself, the records and pages that the settings let it hold, and a row that is held whole where its values are
looked at; a quarter more, since the operating system and Python's allocator need room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from forwarder.config import sink_url
from forwarder.config.formats import Native
from forwarder.config.settings import Settings, SinkSettings
from forwarder.errors import Misconfigured

# By CPU units, 1024 to a core, the changes a second that it is for, and the MiB that Fargate offers with it:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
_CHANGES = {256: 5_000, 512: 12_000, 1024: 25_000}
_MEMORY = {256: (512, 1024, 2048), 512: (1024, 2048, 3072, 4096), 1024: tuple(range(2048, 8193, 1024))}

_PROGRAM_MIB = 90
_WHOLE_ROW_MIB = 100
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSize:
    """What Fargate is asked for, for each task."""

    cpu: int
    memory_mib: int


def task_size(settings: Settings, *, changes_per_second: int) -> TaskSize:
    """The smallest task that is enough.

    Raises:
        Misconfigured: none is.
    """
    memory = _needed_mib(settings)
    for size in _sizes():
        if changes_per_second <= _CHANGES[size.cpu] and memory <= size.memory_mib:
            return size
    raise Misconfigured(
        f"{changes_per_second:,} changes a second with {memory:,} MiB of memory are more than one task is for ({max(_CHANGES.values()):,} and "
        f"{max(_MEMORY[max(_MEMORY)]):,}); divide the tables among services (docs/scaling.md), or lower max_bytes in [listen]"
    )


def _sizes() -> Iterator[TaskSize]:
    for cpu, choices in _MEMORY.items():
        for memory in choices:
            yield TaskSize(cpu=cpu, memory_mib=memory)


def _needed_mib(settings: Settings) -> int:
    listen, load = settings.listen, settings.load
    held = listen.max_bytes + 2 * max(listen.page_bytes, _MIB * len(settings.sink))
    if any(rule.load == "initial" for rule in settings.table):
        held += 2 * load.parallel * load.chunk_bytes * len(settings.sink)
    whole = _WHOLE_ROW_MIB if any(map(_holds_a_row_whole, settings.sink)) else 0
    return (_PROGRAM_MIB + held // _MIB + whole) * 5 // 4


def _holds_a_row_whole(sink: SinkSettings) -> bool:
    parsed = sink_url.parse(sink.url)
    return parsed.framing.compression != "none" or not isinstance(parsed.format, Native)
