"""The event triggers by which new tables are captured, and changes of tables told, at the moment of the statement. Pure.

They belong to whoever has made them, which has to be a superuser (``rds_superuser`` on RDS); their functions run with the rights of the owner of
schema ``forwarder``, and are dropped with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from forwarder.database.quoting import identifier, literal


class EventTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """An event trigger of ours: ``function`` is one in schema ``forwarder``, ``tags`` are the statements for which it is called."""

    name: str
    event: str
    tags: tuple[str, ...]
    function: str
    is_enabled: bool = True

    @property
    def creation(self) -> str:
        """One statement; locks no table."""
        tags = ", ".join(map(literal, self.tags))
        return f"CREATE EVENT TRIGGER {self.name} ON {self.event} WHEN TAG IN ({tags}) EXECUTE FUNCTION forwarder.{self.function}();"


_CREATING = ("CREATE SCHEMA", "CREATE TABLE", "CREATE TABLE AS", "SELECT INTO")
# PostgreSQL calls them in order of their names: a table is captured before it is told of.
ATTACH = EventTrigger(
    name="forwarder_attach", event="ddl_command_end", tags=("ALTER TABLE", *_CREATING), function="attach_created"
)
SCHEMA_EVENTS = (
    EventTrigger(
        name="forwarder_dropped",
        event="sql_drop",
        tags=("DROP OWNED", "DROP SCHEMA", "DROP TABLE"),
        function="tell_dropped",
    ),
    EventTrigger(
        name="forwarder_schema",
        event="ddl_command_end",
        tags=("ALTER SCHEMA", "ALTER TABLE", *_CREATING),
        function="tell_altered",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEventTriggers:
    """Drop some event triggers, and create others."""

    dropped: tuple[str, ...]
    created: tuple[EventTrigger, ...]
    table: str = "event triggers"

    @property
    def sql(self) -> str:
        """Statements that only a superuser may run. They lock no table."""
        drops = [f"DROP EVENT TRIGGER IF EXISTS {identifier(name)};" for name in self.dropped]
        return "\n".join([*drops, *(trigger.creation for trigger in self.created)])


def wanted_triggers(*, auto_attach: bool, schema_events: bool) -> tuple[EventTrigger, ...]:
    """Those that these settings ask for."""
    return (*((ATTACH,) if auto_attach else ()), *(SCHEMA_EVENTS if schema_events else ()))


def event_trigger_changes(
    found: Sequence[EventTrigger], wanted: Sequence[EventTrigger]
) -> tuple[SetEventTriggers, ...]:
    """What to do so that there are the wanted ones and no others of ours."""
    dropped = tuple(trigger.name for trigger in found if trigger not in wanted)
    created = tuple(trigger for trigger in wanted if trigger not in found)
    return (SetEventTriggers(dropped=dropped, created=created),) if dropped or created else ()


def missing_rights(changes: Sequence[SetEventTriggers]) -> tuple[str, ...]:
    """Warnings for a role that may not carry the changes out."""
    lines = []
    for change in changes:
        if ATTACH in change.created:
            lines.append(
                "new tables are captured by the listener that leads, within a minute, and what changes before is missed: for capture from their"
                " creation an event trigger is needed, which takes a superuser (rds_superuser) to run this command once"
            )
        if not change.created:
            statements = " ".join(f"DROP EVENT TRIGGER {identifier(name)};" for name in change.dropped)
            lines.append(
                f"event triggers that are not needed any more do nothing, and stay: a superuser can run {statements}"
            )
        elif ATTACH not in change.created:
            lines.append(
                "changes of tables are told of by the listener that leads, within a minute: for a record in its place among the table's changes"
                " an event trigger is needed, which takes a superuser (rds_superuser) to run this command once"
            )
    return tuple(lines)
