"""What is not as it should be of a table's triggers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from forwarder.capture.tables import Member, Registered, Table, Trigger
from forwarder.capture.trigger_set import FORMER_TRUNCATE, TRUNCATE, TriggerDefinition, is_name_of_ours
from forwarder.config.table_options import TableOptions


def differences(
    table: Table,
    row: Registered,
    options: TableOptions,
    wanted: Sequence[TriggerDefinition],
    labels: tuple[str, ...],
) -> tuple[str, ...]:
    """Why the triggers have to be installed again, or the row made to belong to this table; empty if they need not.

    ``wanted``: the triggers that the options ask for, and ``labels`` the last of their arguments.
    """
    found = {(trigger.relation, trigger.name): trigger for trigger in table.triggers}
    pairs = [(found.get((member.quoted, trigger.name)), trigger) for member, trigger in _places(table, wanted)]
    changed = _changed_options(row, options)
    others = superfluous(table, wanted)
    renamed = [trigger for trigger in others if not is_name_of_ours(trigger.name)]
    former = {
        trigger.relation for trigger in table.triggers if trigger.name == FORMER_TRUNCATE and not trigger.has_condition
    }
    missing = [place for place, (trigger, _) in zip(_places(table, wanted), pairs, strict=True) if trigger is None]
    checks = {
        "triggers were missing": not changed
        and any(trigger.name != TRUNCATE or member.quoted not in former for member, trigger in missing),
        "the trigger for TRUNCATE was that of an earlier release": bool(former),
        "a trigger was renamed": bool(renamed),
        "a trigger was disabled or altered": any(
            trigger and not _is_sound(trigger, wanted) for trigger, wanted in pairs if not changed
        ),
        **dict.fromkeys(changed, True),
        "a trigger had other arguments": not changed
        and any(trigger and trigger.arguments != (str(row.id), wanted.rules, *labels) for trigger, wanted in pairs),
        "a trigger had another condition": not changed and _conditions(row) not in (None, _conditions_of(wanted)),
        "there was a trigger too many": not changed and len(others) > len(renamed),
        "the table was restored": row.relation != table.relation,
        "it was registered as removed": not row.active,
    }
    return tuple(reason for reason, applies in checks.items() if applies)


def _conditions(row: Registered) -> dict[str, str | None] | None:
    """Of each trigger, by name, what it was made with. PostgreSQL keeps a condition as it has understood it, which cannot be compared with a text."""
    return None if row.triggers is None else {trigger["name"]: trigger["condition"] for trigger in row.triggers}


def _conditions_of(wanted: Sequence[TriggerDefinition]) -> dict[str, str | None]:
    return {trigger.name: trigger.condition for trigger in wanted}


def _changed_options(row: Registered, options: TableOptions) -> list[str]:
    """What was to be captured otherwise so far: `before: full -> key`."""
    former, present = TableOptions.model_validate(row.options).model_dump(), options.model_dump()
    return [
        f"before image: {former[name]} -> {present[name]}" if name == "before" else f"{name} changed"
        for name in present
        if former[name] != present[name]
    ]


def _is_sound(trigger: Trigger, wanted: TriggerDefinition) -> bool:
    is_as_wanted = (trigger.type, trigger.function, trigger.has_condition) == (
        wanted.type,
        wanted.function,
        wanted.condition is not None,
    )
    return trigger.sound and is_as_wanted


def _places(table: Table, wanted: Sequence[TriggerDefinition]) -> Iterator[tuple[Member, TriggerDefinition]]:
    """Which triggers there should be on which of the table's members."""
    for member in table.members:
        for trigger in wanted:
            if trigger.is_for_rows or member.truncates:
                yield member, trigger


def superfluous(table: Table, wanted: Sequence[TriggerDefinition]) -> tuple[Trigger, ...]:
    """The triggers to drop so that none of ours is left that is not wanted. One that is inherited is dropped with that of the partitioned table."""
    names = {trigger.name for trigger in wanted}
    others = [trigger for trigger in table.triggers if trigger.name not in names | {FORMER_TRUNCATE}]
    # One that was renamed on a partition alone goes with that of the table, whichever it belongs to.
    strays = {trigger.name for trigger in others if trigger.inherited} - {
        trigger.name for trigger in table.own_triggers
    }
    parents = table.own_triggers if strays else ()
    return tuple(dict.fromkeys((*parents, *(trigger for trigger in others if not trigger.inherited))))
