"""Which triggers a table has, by its options. Pure.

Most tables have two: one for rows and one for TRUNCATE. Options that PostgreSQL can see to before it calls a function cost next to nothing where they
are not met: a trigger fires only for the operations it is for, and if its condition (WHEN) holds. A condition on the old row and the new
one is for updates alone, so these have a trigger of their own then. With ``where`` a row has three ways to be updated:

1. it meets the condition before and after: an update;
2. it comes to meet it: an insert, for those who have not seen the row so far;
3. it ceases to: a delete.

Where updates are left out, another trigger has those noted that change a row which the same transaction has changed before. They belong to the
chain of versions by which the changes of a row are put in order (docs/design/order.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from forwarder.capture.conditions import all_of, differs, enclosed, of_old
from forwarder.config.table_options import OPERATIONS, ColumnRules, TableOptions

# PostgreSQL fires the triggers of one event in byte order of their names. So this one, an AFTER trigger, comes before the application's,
CAPTURE = "00_forwarder_capture"
# and this one, a BEFORE trigger, behind them: what they write into the table is emptied with it.
TRUNCATE = "zz_forwarder_truncate"
# An AFTER trigger that earlier releases made. To drop it would take a stronger lock than to make the other one, so it stays, out of use.
FORMER_TRUNCATE = "00_forwarder_truncate"

# Bits of pg_trigger.tgtype.
_ROW, _BEFORE, _INSERT, _DELETE, _UPDATE, _TRUNCATE = 1, 2, 4, 8, 16, 32
# Nothing arrives of these.
_NOTE = {"as": "NOTE"}
# Whether the transaction of an update has made the version that it replaces.
_IS_OWN = "pg_catalog.age(OLD.xmin) <= 0"
_EVENTS = {"insert": _INSERT, "update": _UPDATE, "delete": _DELETE}


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDefinition:
    """A trigger that a table should have. ``type`` is its tgtype; ``rules`` the second argument of its function, after the id of the table."""

    name: str
    type: int
    function: str = "capture"
    condition: str | None = None
    rules: str = "full"

    @property
    def is_for_rows(self) -> bool:
        """Whether it fires for each row; partitions have it of their table then. Else each has to be given its own."""
        return bool(self.type & _ROW)


def trigger_set(
    options: TableOptions, *, columns: Sequence[str], key: Sequence[str], treatments: Mapping[str, Any]
) -> tuple[TriggerDefinition, ...]:
    """The triggers of a table, the one named ``CAPTURE`` first.

    Args:
        columns: the names of its columns, and ``key`` those of its key.
        treatments: of ``columns.treatments``.
    """
    rules = _rules(options, treatments)
    if options.outbox:
        rules |= {"as": "EVENT"}
        return (
            TriggerDefinition(
                name=CAPTURE,
                type=_INSERT | _ROW,
                function="capture_by_rules",
                condition=all_of(options.where),
                rules=_json(rules),
            ),
        )
    found = [
        TriggerDefinition(
            name=CAPTURE if not place else f"{CAPTURE}_{kind}",
            type=type | _ROW,
            function="capture_by_rules" if rules or arrival else "capture",
            condition=condition,
            rules=_json(arrival if arrival == _NOTE else rules | arrival) if rules or arrival else options.before,
        )
        for place, (kind, type, condition, arrival) in enumerate(_kinds(options, columns, key))
    ]
    if options.level == "statement":
        found = _for_statements(options, found)
    if "truncate" in options.operations:
        said = {name: value for name, value in rules.items() if name in ("audit", "context")}
        found.append(
            TriggerDefinition(
                name=TRUNCATE,
                type=_TRUNCATE | _BEFORE,
                function="capture_truncate",
                rules=_json(said) if said else options.before,
            )
        )
    return tuple(found)


def is_name_of_ours(name: str) -> bool:
    """Whether a trigger of some table may have this name."""
    return name in (TRUNCATE, FORMER_TRUNCATE) or name.startswith(CAPTURE)


def is_shaped(options: TableOptions) -> bool:
    """Whether images are other than PostgreSQL writes a row: the columns of the key go first then."""
    return options.columns != ColumnRules() or options.before in ("changed", "key") or options.after != "full"


def serialized(triggers: Sequence[TriggerDefinition]) -> str:
    """As ``forwarder.install()`` takes them, and the registry keeps them."""
    return _json([asdict(trigger) for trigger in triggers])


def _for_statements(options: TableOptions, found: Sequence[TriggerDefinition]) -> list[TriggerDefinition]:
    """The triggers of a table whose inserts and deletes are captured by whole statements, made of those for rows."""
    rows: list[TriggerDefinition] = []
    statements: list[TriggerDefinition] = []
    for trigger in found:
        # An update is captured row by row, and keeps the trigger's name. So does what comes first where there is no update.
        for event in ("update", "insert", "delete"):
            if not trigger.type & _EVENTS[event]:
                continue
            is_first = trigger.name not in {row.name for row in rows}
            row = replace(trigger, name=trigger.name if is_first else f"{CAPTURE}_{event}", type=_EVENTS[event] | _ROW)
            if event == "update":
                rows.append(row)
            else:
                rows.append(replace(row, function="capture_in_statement"))
                whole = replace(row, name=f"{CAPTURE}_{event}s", type=_EVENTS[event], function="capture_statement")
                statements.append(whole)
    begun = {row.type & ~_ROW for row in rows}
    begin = TriggerDefinition(
        name=f"{CAPTURE}_begin", type=sum(begun) | _BEFORE, function="begin_statement", rules=options.before
    )
    return [*rows, *statements, begin]


def _kinds(
    options: TableOptions, columns: Sequence[str], key: Sequence[str]
) -> Iterator[tuple[str, int, str | None, dict[str, str]]]:
    """Of each trigger for rows: a word for its name, its events, its condition, and as what a change arrives if not as what it is."""
    events = [operation for operation in OPERATIONS if operation in options.operations and operation in _EVENTS]
    is_changed = _is_changed(options, columns, key)
    if options.where is None:
        apart = [event for event in events if is_changed and event == "update"]
        together = [event for event in events if event not in apart]
        if together:
            yield "row", sum(_EVENTS[event] for event in together), None, {}
        if apart:
            yield "update", _UPDATE, is_changed, {}
    else:
        new, old = options.where, of_old(options.where)
        if "insert" in events:
            yield "insert", _INSERT, all_of(new), {}
        if "update" in events:
            yield "update", _UPDATE, all_of(old, new, is_changed), {}
            yield "enter", _UPDATE, f"{all_of(new)} AND {enclosed(old)} IS NOT TRUE", {"as": "INSERT"}
            yield "leave", _UPDATE, f"{all_of(old)} AND {enclosed(new)} IS NOT TRUE", {"as": "DELETE"}
        if "delete" in events:
            yield "delete", _DELETE, all_of(old), {}
    if is_changed or "update" not in events:
        left_out = f"{enclosed(is_changed)} IS NOT TRUE" if is_changed and "update" in events else None
        yield "own", _UPDATE, all_of(left_out, _IS_OWN), _NOTE


def _is_changed(options: TableOptions, columns: Sequence[str], key: Sequence[str]) -> str | None:
    """The condition under which an update counts as one; None: always."""
    if watched := [name for name in options.only_when if name in columns]:
        return differs(list(dict.fromkeys((*watched, *key))))
    return "OLD.* OPERATOR(pg_catalog.*<>) NEW.*" if options.skip_unchanged else None


def _rules(options: TableOptions, treatments: Mapping[str, Any]) -> dict[str, Any]:
    """What ``forwarder.capture_by_rules()`` has to know; empty if ``forwarder.capture()`` does."""
    rules: dict[str, Any] = options.model_dump(include={"before", "after", "context", "audit"}, exclude_defaults=True)
    if is_shaped(options):
        return {**rules, **treatments}
    return {} if rules.keys() <= {"before"} else rules


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
