"""What belongs together, and is looked at together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from forwarder.capture.selection import Rule
from forwarder.config.settings import Settings
from forwarder.database.access import DatabaseAddress
from forwarder.database.sessions import Connection
from forwarder.doctor.finding import Finding
from forwarder.doctor.own_role import OwnRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is known of a database from the beginning of a look."""

    connection: Connection
    url: DatabaseAddress
    settings: Settings
    # By which tables are chosen, and how each is captured.
    rules: Sequence[Rule]
    # The role of the session, and what it may see.
    role: OwnRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a database. It changes nothing, and takes no lock that anybody waits for."""

    subject: str
    # Raises what the database does, and errors of this program.
    find: Callable[[Patient], Awaitable[Iterable[Finding]]]
    # Left out under --fast.
    is_slow: bool = False
    # Only the owner of schema forwarder can see it.
    is_for_owner: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Looks at one part of the set-up."""

    name: str
    # What can be seen of any database.
    outside: Sequence[Look] = ()
    # What can be seen only where there is a schema forwarder, which this role may use, on a primary.
    inside: Sequence[Look] = ()
