"""The session that holds the leader's lock, as the parts of a leader share it."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from forwarder.database.sessions import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderSession:
    """A session does one statement at a time: whoever needs it holds ``turn`` for as long as that takes."""

    connection: Connection
    turn: anyio.Lock = field(default_factory=anyio.Lock)
