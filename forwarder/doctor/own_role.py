"""The role of the session, and how much of schema ``forwarder`` it may see."""

from __future__ import annotations

from dataclasses import dataclass

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRole:
    """What own_role.sql returns. Names are as SQL writes them."""

    name: str
    is_superuser: bool
    # How long its password is valid; None: for ever.
    password_seconds: float | None
    is_standby: bool
    database: str
    # Whether there is a schema forwarder with a record of its migrations in it, and who owns that; None: nobody.
    has_schema: bool
    owner: str | None
    # Whether the role may do what the owner may.
    is_owner: bool
    may_use_schema: bool
    may_create_schema: bool
    # Whether it sees what sessions of other roles do.
    sees_all_sessions: bool

    @property
    def can_look_inside(self) -> bool:
        """Whether there is anything to see in schema forwarder, and it may see it."""
        return self.has_schema and self.may_use_schema and not self.is_standby


async def read_own_role(connection: Connection) -> OwnRole:
    """Ask the catalog.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot tell what this role may do"):
        row = await connection.fetchrow(query("own_role"))
    assert row is not None
    return OwnRole(**row)
