"""Compares what the database does by itself about tables that come later, or change, with what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from forwarder.capture.event_triggers import EventTrigger, event_trigger_changes, missing_rights, wanted_triggers
from forwarder.capture.schema_switch import schema_switch
from forwarder.capture.selection import Rule
from forwarder.capture.table_rules import WriteRules, stored
from forwarder.capture.table_rules import read as read_rule
from forwarder.capture.trigger_plan import Change
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors

NO_RULES = "auto_attach has no rule to capture new tables by: write [[table]] in forwarder.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterTables:
    """What has to change so that new tables are captured by themselves, and changes of tables told, as it is asked."""

    changes: tuple[Change, ...]
    warnings: tuple[str, ...]


async def later_tables(
    connection: Connection, rules: Sequence[Rule], *, auto_attach: bool | None, schema_events: bool | None
) -> LaterTables:
    """The difference; ``auto_attach`` and ``schema_events`` None: as it is now.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read the rules for new tables"):
        exists = await connection.fetchval("SELECT to_regclass('forwarder.table_rule') IS NOT NULL")
        rows = await connection.fetch(query("table_rules")) if exists else []
        is_told = bool(exists and await connection.fetchval("SELECT is_on FROM forwarder.schema_events"))
        event_triggers = await connection.fetchrow(query("event_triggers"))
        assert event_triggers is not None
    found = tuple(read_rule(text) for (text,) in rows)
    wanted = found if auto_attach is None else stored(rules) if auto_attach else ()
    of_events = event_trigger_changes(
        [msgspec.json.decode(text, type=EventTrigger) for text in event_triggers["found"]],
        wanted_triggers(auto_attach=bool(wanted), schema_events=is_told if schema_events is None else schema_events),
    )
    may_create = event_triggers["may_create"]
    lacking = (NO_RULES,) if auto_attach and not rules else ()
    return LaterTables(
        changes=(
            *((WriteRules(rules=wanted),) if wanted != found else ()),
            *schema_switch(found=is_told, wanted=schema_events),
            *(of_events if may_create else ()),
        ),
        warnings=(*lacking, *(() if may_create else missing_rights(of_events))),
    )
