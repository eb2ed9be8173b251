"""The words of ``forwarder migrate``: a line for each thing that it does, or would do. Pure.

public.orders: capture installed
public.items: capture would be corrected (before image: full -> none)
public.items: before = "none" (by public.*)
migrations applied: 27, tables changed: 1, unchanged: 3
"""

from forwarder.capture.event_triggers import SetEventTriggers
from forwarder.capture.function_definitions import Redefine
from forwarder.capture.image_limit import LimitImages
from forwarder.capture.leaf_size import LayOut
from forwarder.capture.plan import Difference
from forwarder.capture.rights import Rights
from forwarder.capture.role import CaptureRole
from forwarder.capture.schema_switch import SwitchSchemaEvents
from forwarder.capture.table_rules import WriteRules
from forwarder.capture.trigger_plan import Change, Forget, Install, Keep, Registration, Remove


def line(change: Change, *, would: bool = False) -> str:
    """The line for one change: that it is done, or that it would be."""
    to_be = "would be " if would else ""
    if isinstance(change, Redefine):
        return f"{change.table}: {to_be}defined anew ({', '.join(change.reasons)})"
    if isinstance(change, Rights):
        return f"{change.table}: {_settlement(change, to_be=to_be)}"
    if isinstance(change, LayOut):
        return f"{change.table}: {to_be}laid out anew (events a leaf: {change.found_events} -> {change.leaf_events})"
    if isinstance(change, LimitImages):
        return f"{change.table}: {to_be}limited (bytes of images: {change.found_bytes} -> {change.max_bytes})"
    if isinstance(change, WriteRules):
        return f"{change.table}: {to_be}written ({len(change.rules)} rules for tables that come later)"
    if isinstance(change, SwitchSchemaEvents):
        return f"{change.table}: {to_be}turned {'on' if change.is_on else 'off'}"
    if isinstance(change, SetEventTriggers):
        names = [
            *(f"{name} dropped" for name in change.dropped),
            *(f"{trigger.name} created" for trigger in change.created),
        ]
        return f"{change.table}: {to_be}changed ({', '.join(names)})"
    return f"{change.table}: capture {to_be}{_participle(change)}"


def _settlement(change: Rights, *, to_be: str) -> str:
    roles = ", ".join(change.roles)
    match change.part:
        case "owner":
            return f"what others own {to_be}given to its owner {roles}"
        case "capture":
            return f"{to_be}entrusted to role {roles}, which may only fill the outbox"
        case "partitions":
            return f"{to_be}granted to {roles}, for the partitions of their tables"
        case "runtime":
            return f"rights that `forwarder listen` needs {to_be}granted to {roles}"
        case "close":
            return f"rights that others should not have {to_be}revoked from {roles}"
        case "clear":
            return f"triggers, rules, policies or foreign keys that are not ours {to_be}dropped from its tables (of {roles})"


def _participle(change: Install | Registration | Remove | Forget) -> str:
    match change:
        case Install(registered_id=None):
            return "installed"
        case Install(reasons=reasons):
            return f"corrected ({', '.join(reasons)})"
        case Registration(reasons=reasons):
            return f"registered anew ({', '.join(reasons)})"
        case Remove():
            return "removed"
        case Forget():
            return "ended (the table is gone, or captured through its parent)"


def summary(found: Difference, *, would: bool = False) -> str:
    """The last line: how much is done in all, or would be."""
    to = "to be " if would else ""
    tables = [decision for decision in found.decisions if not isinstance(decision, Rights)]
    unchanged = sum(isinstance(decision, Keep) for decision in tables)
    counts = f"migrations {to}applied: {len(found.pending)}, tables {to}changed: {len(tables) - unchanged}, unchanged: {unchanged}"
    not_selected = f"captured, not selected: {len(found.unnamed)} (--remove ends that)" if found.unnamed else ""
    return "; ".join(filter(None, (counts, not_selected, found.remark)))


def options(found: Difference) -> list[str]:
    """A line for each rule of a mapping file and each option of a table that is not the default, by table; then the rules that are for none."""
    return [
        *(f"{table}: {option}" for table, options in found.options.items() for option in options),
        *found.idle_rules,
    ]


def unnamed(table: str) -> str:
    """The line for a table that stays captured although the selection does not name it."""
    return f"{table}: captured, though the selection does not name it; it stays so without --remove"


def unfit(found: Difference) -> str:
    """The error that ends a run with selected tables that the rules do not fit."""
    return (
        f"the rules do not fit {len(found.unfit)} of {len(found.unfit) + len(found.options)} selected tables, as said above; no other table waits for"
        " them; correct the rules, or leave such tables out of the selection, and run again"
    )


def farewell(role: CaptureRole, *, would: bool = False) -> str:
    """The line for a role that the schema needed, when the schema is dropped."""
    if role.can_go:
        return f"role {role.name}: {'would be ' if would else ''}dropped"
    return f"role {role.name}: kept; where nothing needs it any more, an administrator can run: {role.drop}"
