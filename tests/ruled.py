"""Tables that are captured by rules, and what of their rows has come to the outbox."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from forwarder.capture import migrations
from tests.databases import connected
from tests.migrating import migrate_tables

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection
    from tests.databases import Database

# What no row of ours may have. Such a value stands in columns that are covered.
MARKER = "5ecret"


class Change(NamedTuple):
    """A row of the outbox. ``extra``: the further members of its record."""

    op: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    fault: str | None
    extra: dict[str, Any]

    @property
    def short(self) -> tuple[str, dict[str, Any] | None, dict[str, Any] | None]:
        """Without what is beside the images."""
        return self.op, self.before, self.after


async def changes(connection: Connection, *, after_seq: int = 0) -> list[Change]:
    """What is in the outbox, in order of seq."""
    rows = await connection.fetch(
        "SELECT op::text, before, after, fault, extra FROM forwarder.outbox WHERE seq > $1 ORDER BY seq", after_seq
    )
    return [
        Change(
            row["op"],
            row["before"] and json.loads(row["before"]),
            row["after"] and json.loads(row["after"]),
            row["fault"],
            json.loads(f"{{{row['extra'] or ''}}}"),
        )
        for row in rows
    ]


async def newest(connection: Connection) -> int:
    """The highest seq in the outbox."""
    seq: int = await connection.fetchval("SELECT coalesce(max(seq), 0) FROM forwarder.outbox")
    return seq


async def create(connection: Connection, *statements: str, table: str = "public.*", **options: Any) -> None:
    """Run the statements, and capture the tables of a pattern with these options."""
    for statement in statements:
        await connection.execute(statement)
    await rule(connection, table=table, **options)


async def rule(connection: Connection, *, table: str = "public.*", **options: Any) -> None:
    """What `forwarder migrate` does to these tables, with these options."""
    before = options.pop("before", "full")
    outcome = await migrate_tables(connection, table, before=before, options=options, patience_seconds=60)
    assert not outcome.problems, outcome.problems


async def everything_of_ours(superuser: Connection) -> str:
    """All rows of all tables in schema forwarder, as text."""
    tables = await superuser.fetch(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relnamespace = 'forwarder'::regnamespace AND relkind = 'r'"
    )
    found = [
        await superuser.fetchval(f"SELECT string_agg(listed::text, E'\\n') FROM {table['name']} AS listed")
        for table in tables
    ]
    return "\n".join(filter(None, found))


async def assert_hidden(database: Database, marker: str = MARKER) -> None:
    """No table of ours has the marker, in clear or as bytes of it."""
    async with connected(database.superuser_url) as superuser:
        everything = await everything_of_ours(superuser)
    assert marker not in everything
    assert marker.encode().hex() not in everything


@asynccontextmanager
async def as_superuser(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.superuser_url) as superuser:
        yield superuser


async def installed_up_to(connection: Connection, version: int) -> None:
    """Apply the migrations of an earlier release."""
    for migration in await migrations.pending(connection):
        if migration.version <= version:
            await connection.execute(migration.sql)
