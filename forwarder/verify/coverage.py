"""How far back the records go, and whether they have told of every row that the table may have. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from forwarder.consumer.change import Row


@dataclass(slots=True)
class Coverage:
    """What was seen of the records of all tables, and of those of the table in question."""

    oldest_at: datetime | None = None
    # Of the table: what each gap is about, and whether it was emptied, or loaded.
    gaps: set[str] = field(default_factory=set)
    was_truncated: bool = False
    first_read_at: datetime | None = None
    # Whether their format tells of the beginning and the end of a load.
    tells_loads: bool = True
    # Numbers of the loads that are known to be of some of its rows alone.
    partial_loads: Collection[int] = ()
    # Numbers of the loads whose beginning was seen, and whose end.
    _begun_loads: set[int] = field(default_factory=set)
    _finished_loads: set[int] = field(default_factory=set)

    def see(self, at: datetime | None) -> None:
        """A record of any table."""
        if at is not None and (self.oldest_at is None or at < self.oldest_at):
            self.oldest_at = at

    def see_read(self, at: datetime | None) -> None:
        """A row of the table that was loaded."""
        if at is not None and (self.first_read_at is None or at < self.first_read_at):
            self.first_read_at = at

    def see_load(self, load: Row | None) -> None:
        """The beginning or the end of a load of the table: ``{"number":7,"state":"began"}``."""
        match load:
            case {"number": int(number), "state": "began"}:
                self._begun_loads.add(number)
            case {"number": int(number), "state": "finished"}:
                self._finished_loads.add(number)

    def is_complete(self, *, attached_at: datetime | None, sink_created_at: datetime | None) -> bool:
        """Whether a row of which there is no record was not told of, and not only so long ago that its record is gone.

        1. The table was emptied (TRUNCATE), and all that came after it is there.
        2. All of it was loaded: the records have the beginning and the end of the load; or, in formats that tell of neither, rows that were read, and
           something older than these.
        3. It was empty when it was attached, since no ``gap`` says otherwise; and the sink, and one of the records, are older than that.

        Args:
            attached_at: when the table was captured by itself (``auto_attach``). None: by ``forwarder migrate``, which does not tell of its rows.
            sink_created_at: when the sink began; None: it is not known.
        """
        if self.was_truncated:
            return True
        if not (self._begun_loads & self._finished_loads).issubset(self.partial_loads):
            return True
        if self.oldest_at is None:
            return False
        if self.first_read_at is not None and not self.tells_loads and not self.partial_loads:
            return self.oldest_at < self.first_read_at
        if self.gaps or attached_at is None or sink_created_at is None:
            return False
        return sink_created_at <= attached_at and self.oldest_at < attached_at
