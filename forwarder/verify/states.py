"""The last state of every row of a table that the records tell of, in a database of SQLite that nobody else sees.

It is a temporary file, which SQLite deletes at the end. Some 64 MiB are in memory, the rest in the folder for temporary files (``TMPDIR``). A row
takes some 40 bytes, its key, and 8 bytes a column: 100 to 150 bytes for a row of seven columns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from forwarder.errors import Refused
from forwarder.verify.content import Content

# deleted: the last record says that the row is gone. unknown: it is there, and the record does not hold what is in it.
Kind = Literal["deleted", "row", "unknown"]
_KINDS: tuple[Kind, ...] = ("deleted", "row", "unknown")
_DELETED, _ROW = 0, 1

# The version of a state that is later than whatever was told of its row before, and earlier than what comes.
UNNUMBERED = -1

_CACHE_KIB = 64 << 10
# SQLite takes 32,766 parameters in a statement.
_KEYS_AT_ONCE = 10_000

_PREPARE = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA temp_store = FILE;
    PRAGMA cache_size = -{_CACHE_KIB};
    CREATE TABLE state (
        key TEXT PRIMARY KEY, version INTEGER, kind INTEGER, shape INTEGER, digests BLOB, partition TEXT, told TEXT, loaded_at INTEGER,
        met INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
"""
_PUT = """
    INSERT INTO state (key, version, kind, shape, digests, partition, told, loaded_at, met) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET
        -- -1 is UNNUMBERED. The versions of changes are even: with the next odd one, this is later than a repeat of the change before it.
        version = CASE WHEN excluded.version = -1 THEN version | 1 ELSE excluded.version END,
        kind = excluded.kind, shape = excluded.shape, digests = excluded.digests,
        partition = excluded.partition, told = excluded.told, loaded_at = excluded.loaded_at
    WHERE excluded.version >= version OR excluded.version = -1
"""

_TRUNCATE = """
    UPDATE state
    SET kind = :deleted, shape = NULL, digests = NULL, told = NULL, loaded_at = NULL, version = :version
    -- As State.is_before().
    WHERE version < :version AND (loaded_at < :at) IS NOT FALSE AND (:partition IS NULL OR partition = :partition)
"""


class State(NamedTuple):
    """What the last record of a row says. ``told`` is the row as JSON, if rows are kept."""

    key: str
    # Of two records of a row the one with the higher version is the later one.
    version: int
    kind: Kind
    content: Content | None = None
    partition: str | None = None
    told: str | None = None
    # Of an UNNUMBERED one: when its record arrived, in milliseconds since 1970.
    loaded_at: int | None = None

    def is_before(self, truncate: Truncate) -> bool:
        """Whether it is of a time before that TRUNCATE, of whatever partition."""
        is_loaded_later = self.loaded_at is not None and truncate.at is not None and self.loaded_at >= truncate.at
        return self.version < truncate.version and not is_loaded_later


class Truncate(NamedTuple):
    """A TRUNCATE of a table, or of one of its partitions."""

    version: int
    # When its record arrived, in milliseconds since 1970; None: it is not known.
    at: int | None = None
    partition: str | None = None


class RowStates:
    """A state for each key. Whoever makes one closes it."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_PREPARE)
        # Rows of one table have the same columns, so these are kept once.
        self._shapes: list[tuple[str, ...]] = []
        self._numbers: dict[tuple[str, ...], int] = {}
        self._newcomers_are_met = False

    def close(self) -> None:
        """Forget all, and delete the file."""
        self._database.close()

    def put(self, states: Iterable[State]) -> None:
        """Keep these, each unless a later one of its row is kept.

        Raises:
            Refused: there is no room for it.
        """
        with self._writing():
            self._database.executemany(_PUT, map(self._row, states))

    def truncate(self, truncate: Truncate) -> None:
        """All rows of before it, of its partition if there is one, are gone."""
        version, at, partition = truncate
        with self._writing():
            self._database.execute(
                _TRUNCATE,
                {"version": version, "at": at, "partition": partition, "deleted": _DELETED},
            )

    def get(self, keys: Sequence[str]) -> dict[str, State]:
        """The states of those of these keys that there are records of."""
        found: dict[str, State] = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, version, kind, shape, digests, partition, told, loaded_at FROM state WHERE key IN ({marks})"  # noqa: S608
            found |= {row[0]: self._state(row) for row in self._database.execute(query, some)}
        return found

    def meet(self, keys: Iterable[str]) -> None:
        """Remember that the table has rows with these keys."""
        with self._writing():
            self._database.executemany("UPDATE state SET met = 1 WHERE key = ?", ((key,) for key in keys))

    def meet_newcomers(self) -> None:
        """From now on rows that there was no state of count as met: the table has got them since it was begun to be read."""
        self._newcomers_are_met = True

    def unmet(self, *, at_once: int) -> Iterator[list[str]]:
        """The keys of rows that are there by the records, and that the table was not met to have."""
        last = ""
        while found := self._database.execute(
            "SELECT key FROM state WHERE key > ? AND met = 0 AND kind >= ? ORDER BY key LIMIT ?", (last, _ROW, at_once)
        ).fetchall():
            keys = [key for (key,) in found]
            last = keys[-1]
            yield keys

    def __len__(self) -> int:
        """How many rows there are records of, deleted ones too."""
        (count,) = self._database.execute("SELECT count(*) FROM state").fetchone()
        return int(count)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction."""
        try:
            self._database.execute("BEGIN")
            yield
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise Refused(
                f"cannot keep the states of rows: {error}; make room in the folder that TMPDIR names"
            ) from error

    def _row(self, state: State) -> tuple[object, ...]:
        names, digests = state.content or (None, None)
        shape = None if names is None else self._number(names)
        return (
            state.key,
            state.version,
            _KINDS.index(state.kind),
            shape,
            digests,
            state.partition,
            state.told,
            state.loaded_at,
            self._newcomers_are_met,
        )

    def _number(self, names: tuple[str, ...]) -> int:
        if names not in self._numbers:
            self._numbers[names] = len(self._shapes)
            self._shapes.append(names)
        return self._numbers[names]

    def _state(self, row: tuple[str, int, int, int | None, bytes | None, str | None, str | None, int | None]) -> State:
        key, version, kind, shape, digests, partition, told, loaded_at = row
        content = None if shape is None or digests is None else Content(self._shapes[shape], digests)
        return State(key, version, _KINDS[kind], content, partition, told, loaded_at)
