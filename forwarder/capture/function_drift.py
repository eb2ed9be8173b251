"""Finds functions of ours that somebody has altered, replaced or dropped since a migration defined them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import asyncpg

from forwarder.capture import migrations
from forwarder.capture.function_definitions import Function, Redefine, definitions
from forwarder.capture.migrations import Migration
from forwarder.capture.rights_script import closing
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors


async def drift(
    connection: Connection, *, applied: Mapping[int, str], pending: Mapping[int, str]
) -> tuple[Redefine, ...]:
    """What brings the functions back to what the ``applied`` migrations have made, in the order to be carried out. Changes nothing.

    ``applied`` and ``pending`` are texts of migrations by version. A function that a pending one defines anew is not mended before.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read the functions in schema forwarder"):
        found = {row["name"]: _function(row) for row in await connection.fetch(query("definitions"))}
    return tuple(
        Redefine(table=f"forwarder.{name}()", reasons=reasons, sql=f"{definition.sql}\n{closing()}")
        for name, definition in definitions({**applied, **pending}).items()
        if definition.version in applied and (reasons := definition.differences(found.get(name)))
    )


async def drift_beside(connection: Connection, pending: Sequence[Migration]) -> tuple[Redefine, ...]:
    """As ``drift``, of all migrations that this program brings; these are ``pending``.

    Raises:
        Unavailable: the database does not answer.
    """
    texts = {migration.version: migration.text for migration in migrations.shipped()}
    to_come = {migration.version: texts.pop(migration.version) for migration in pending}
    return await drift(connection, applied=texts, pending=to_come)


def _function(row: asyncpg.Record) -> Function:
    facts = dict(row)
    del facts["name"]
    # PostgreSQL may spell the name of a setting in another way than we do: TimeZone.
    pairs = (setting.partition("=") for setting in facts.pop("settings"))
    return Function(settings=frozenset(f"{name.lower()}={value}" for name, _, value in pairs), **facts)
