"""Finds who holds one of our advisory locks, and who of them is no listener.

Any role that may connect to a database can take any advisory lock, since PostgreSQL has no privilege for that. So a stranger may have one of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forwarder.database.queries import query
from forwarder.database.sessions import (
    ANSWER_SECONDS,
    LEADER_LOCK_CLASS,
    LOCK_CLASS,
    Connection,
    application_name,
    database_errors,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A session, or a prepared transaction, that has an advisory lock."""

    # None: it is a prepared transaction.
    pid: int | None
    # The name of the prepared transaction; None: it is a session.
    prepared: str | None
    role: str
    # Its application_name, which anybody can set.
    application: str
    # Where it connects from; None if it is on the server's machine, or hidden from our role.
    address: str | None
    is_exclusive: bool
    # Whether its role may move the position of a sink.
    may_lead: bool

    def __str__(self) -> str:
        if self.prepared is not None:
            return f"prepared transaction {self.prepared!r} of role {self.role}"
        place = f" at {self.address}" if self.address else ""
        return f"role {self.role}, application {self.application!r}, pid {self.pid}{place}"

    @property
    def remedy(self) -> str:
        """The statement that ends it."""
        if self.prepared is not None:
            if not self.prepared.isprintable():
                return "ROLLBACK PREPARED, with its gid in pg_prepared_xacts"
            return "ROLLBACK PREPARED '{}'".format(self.prepared.replace("'", "''"))
        return f"SELECT pg_terminate_backend({self.pid})"

    @property
    def facts(self) -> Mapping[str, object]:
        """Who it is, as fields of a log line."""
        if self.prepared is not None:
            return {"role": self.role, "prepared_transaction": self.prepared}
        return {"pid": self.pid, "role": self.role, "application": self.application}

    @property
    def flaw(self) -> str | None:
        """Why it cannot be a listener, whatever it calls itself: the end of a sentence. None if it may be one."""
        if self.prepared is not None:
            return "is no session"
        if not self.is_exclusive:
            return "shares the lock, as no listener does"
        return None if self.may_lead else "has a role that may not deliver"

    def calls_itself(self, *purposes: str) -> bool:
        """Whether its application_name begins as that of our sessions for one of these purposes. (Some poolers append the client's address.)"""
        return self.application.startswith(tuple(map(application_name, purposes)))

    @property
    def leads(self) -> bool:
        """Whether it seems to be one that may have a leader's lock: a listener, or `forwarder sinks remove` for a moment."""
        return self.flaw is None and self.calls_itself("leader", "sinks")


def usurpation(sink: str, holders: Sequence[Holder]) -> str:
    """A sentence that says who has the leader's lock of a sink although it is no listener, and the remedy. It names the first of the holders."""
    first, others = holders[0], f" and {len(holders) - 1} more" if len(holders) > 1 else ""
    flaw = f"{first.flaw}; end it" if first.flaw else "does not call itself a listener; if it is none, end it"
    return f"the leader's lock of sink {sink!r} is held by {first}{others}, which {flaw}: {first.remedy}"


async def holders_of_sink(connection: Connection, sink: str) -> Sequence[Holder]:
    """Who has the leader's lock of a sink. Those who cannot be listeners come first.

    Raises:
        Unavailable: the database does not answer.
    """
    return await _holders(connection, LEADER_LOCK_CLASS, None, sink)


async def holders_of_lock(connection: Connection, number: int) -> Sequence[Holder]:
    """Who has the lock with this number in ``LOCK_CLASS``, such as ``DOORBELL_LOCK``.

    Raises:
        Unavailable: the database does not answer.
    """
    return await _holders(connection, LOCK_CLASS, number, None)


async def _holders(connection: Connection, lock_class: int, number: int | None, name: str | None) -> Sequence[Holder]:
    with database_errors("cannot see who holds a lock"):
        rows = await connection.fetch(query("lock_holders"), lock_class, number, name, timeout=ANSWER_SECONDS)
    return [Holder(**row) for row in rows]
