"""Finds what has to change so that each role may do with schema ``forwarder`` what it needs, and no role more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import asyncpg

from forwarder.capture.rights import PARTS, Part, Rights, images_role
from forwarder.capture.rights_script import search
from forwarder.capture.role import CaptureRoles, read_capture_roles
from forwarder.config.database import CAPTURE_ROLE
from forwarder.database.queries import query
from forwarder.database.quoting import literal
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Misconfigured, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Which role is to do what. ``capture``: the one that forwarder.capture() runs as. ``runtime``: one that is to run `forwarder listen`;
    None: no other than those that do already.
    """

    capture: str
    runtime: str | None = None


DEFAULT_ROLES = Roles(capture=CAPTURE_ROLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The changes, in the order to be carried out, and what they do not mend."""

    changes: tuple[Rights, ...]
    # One line each, with the remedy.
    warnings: tuple[str, ...]
    # Statements that an administrator has to run first; empty if there are none.
    preparation: str
    # What a script does once these were run; None: there are none.
    prepared: Rights | None = None


async def protection(connection: Connection, roles: Roles, *, tables: Sequence[int], is_pending: bool) -> Protection:
    """What has to change so that ``roles`` have their rights. Changes nothing itself.

    ``tables`` are the oids of those that are to be captured. ``is_pending``: migrations are to be applied first. What they will create cannot
    be seen yet, so each part is a statement that finds out what to do when it is run (``rights_script.py``).

    Raises:
        Misconfigured: ``runtime`` is one of the roles that functions run as.
        Refused: there is no such role.
        Unavailable: the database does not answer.
    """
    await _require(connection, roles)
    found = await read_capture_roles(connection, roles.capture)
    with database_errors("cannot read the rights in schema forwarder"):
        due = await connection.fetch(query("rights_due"), roles.capture, roles.runtime, tables)
    return Protection(
        changes=tuple(_changes(due, found, roles, tables=tables, is_pending=is_pending)),
        warnings=found.warnings(),
        preparation=found.preparation,
        prepared=_prepared(roles, tables=tables) if found.preparation else None,
    )


async def _require(connection: Connection, roles: Roles) -> None:
    if roles.runtime is None:
        return
    if roles.runtime in (roles.capture, images_role(roles.capture)):
        raise Misconfigured(
            f"role {roles.runtime!r} is capture_role in [database], which may only fill the outbox, or goes with it; name another"
        )
    with database_errors("cannot read the roles"):
        if not await connection.fetchval("SELECT to_regrole(quote_ident($1)) IS NOT NULL", roles.runtime):
            raise Refused(f'there is no role {roles.runtime!r}; run CREATE ROLE "{roles.runtime}" LOGIN first')


def _changes(
    due: Sequence[asyncpg.Record], found: CaptureRoles, roles: Roles, *, tables: Sequence[int], is_pending: bool
) -> Iterator[Rights]:
    for part in PARTS:
        rows = [row for row in due if row["part"] == part]
        if _is_due(part, rows, found, is_pending=is_pending):
            names = dict.fromkeys(row["role"] for row in rows if is_pending or row["statement"])
            statements = "\n".join(row["statement"] for row in rows if row["statement"])
            body = (
                search(part, capture=roles.capture, runtime=roles.runtime, tables=tables) if is_pending else statements
            )
            if part == "capture":
                yield Rights(part=part, roles=(roles.capture,), sql=_around(body, roles.capture))
            else:
                yield Rights(part=part, roles=tuple(names), sql=body)


def _is_due(part: Part, rows: Sequence[asyncpg.Record], found: CaptureRoles, *, is_pending: bool) -> bool:
    if part == "capture":
        if not found.capture.can_be_entrusted:
            return False
        if is_pending or found.is_due:
            return True
    return bool(rows) if is_pending else any(row["statement"] for row in rows)


def _prepared(roles: Roles, *, tables: Sequence[int]) -> Rights:
    """What gives the functions to their roles if these are there when it is run, and only warns if they are not."""
    steps = _around(search("capture", capture=roles.capture, runtime=roles.runtime, tables=tables), roles.capture)
    return Rights(
        part="capture",
        roles=(roles.capture,),
        sql=(
            f"DO $prepared$\nBEGIN\n    EXECUTE {literal(steps)};\nEXCEPTION WHEN insufficient_privilege OR raise_exception THEN\n"
            "    RAISE WARNING 'the trigger function keeps the rights of its owner: %', SQLERRM;\nEND\n$prepared$;"
        ),
    )


def _around(grants: str, capture_role: str) -> str:
    """What comes before and after the grants of the role of ``forwarder.capture()``."""
    name = literal(capture_role)
    steps = (f"SELECT forwarder.make_capture_role({name});", grants, f"SELECT forwarder.entrust_capture({name});")
    return "\n".join(filter(None, steps))
