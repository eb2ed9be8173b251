"""Who waited for a table's lock, and for how long, told from the server's log. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

# What the server needs for it. It notes each wait that lasts at least this long, and how long it was once it is over.
SHORTEST_MS = 1
SETTINGS = {"log_lock_waits": "on", "deadlock_timeout": f"{SHORTEST_MS}ms", "log_line_prefix": "%a: "}

_OVER = re.compile(
    r"^(?P<who>.*?): LOG:  process \d+ acquired (?P<mode>\w+) on relation (?P<relation>\d+) of database \d+ after (?P<ms>[\d.]+) ms"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWait:
    """A wait that was granted in the end."""

    application_name: str
    mode: str
    milliseconds: float


def lock_waits(log: Iterable[str], *, relations: Collection[int]) -> Iterator[LockWait]:
    """The waits for these tables, by their object ids."""
    for line in log:
        found = _OVER.match(line)
        if found and int(found["relation"]) in relations:
            yield LockWait(application_name=found["who"], mode=found["mode"], milliseconds=float(found["ms"]))
