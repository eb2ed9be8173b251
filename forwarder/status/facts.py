"""What was read of the database for one document, before anything is made of it. Times are in seconds since 1970, by the database's clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from forwarder.outbox.backlog_warnings import Backlog
from forwarder.outbox.ring import Ring
from forwarder.store.listeners import Listener
from forwarder.store.loads import Load
from forwarder.store.statistics import TableStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkFacts:
    """A row of ``forwarder.sink``, and who has its leader's lock."""

    name: str
    delivered_seq: int
    saved_at: float
    # Whether anybody has the lock, and whether that calls itself a listener.
    is_led: bool
    leads_as_listener: bool
    # Its server process; None: nobody leads, or it is a prepared transaction.
    leader_pid: int | None
    # Where it connects from; None: it is not known.
    leader_address: str | None
    # A sentence about a stranger who has the lock, with the remedy.
    usurpation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is so at one moment. It is read in one snapshot."""

    at: float
    # host:port/name
    database: str
    sinks: Sequence[SinkFacts]
    backlogs: Mapping[str, Backlog]
    listeners: Sequence[Listener]
    ring: Ring
    # Of the oldest change in the outbox; None: it is empty.
    oldest_at: float | None
    loads: Sequence[Load]
    paused_ids: Collection[int]
    is_armed: bool
    writers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """A table that is or was captured."""

    id: int
    schema: str
    name: str
    is_captured: bool

    @property
    def qualified_name(self) -> str:
        """``public.orders``; not quoted, so not for SQL."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What is known of the tables. It changes seldom, and takes longer to read."""

    tables: Sequence[TableFacts]
    # By id, what is not as it should be: a sentence without its end. In `missed`, whether changes are missed by that.
    drift: Mapping[int, str] = field(default_factory=dict)
    missed: Collection[int] = ()
    # By name, a gap among the last changes: what it is about.
    gaps: Mapping[str, str] = field(default_factory=dict)
    # Why the two of them are not known; empty: they are.
    unseen: str = ""
    # What each sink was told.
    statistics: Sequence[TableStatistics] = ()
