"""Which columns of a table are sent, and in which form, as the ``columns`` of a ``[[table]]`` says it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from forwarder.config.suggestions import nearest
from forwarder.config.table_mappings.precedence import names_exactly, rank_of_table, the_one
from forwarder.config.table_mappings.rules import TransformationRule
from forwarder.errors import Misconfigured

_MASKS = {
    "data-masking-digits-mask": "mask_digits",
    "data-masking-digits-randomize": "randomize_digits",
    "data-masking-hash-mask": "hash",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedTable:
    """A table as it is now. Without ``columns``, only rules that name a column say anything of it."""

    schema: str
    name: str
    columns: Sequence[str] = ()
    # Of the columns, those of the key and those of text.
    key: Sequence[str] = ()
    texts: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def columns_of(rules: Iterable[TransformationRule], table: MappedTable) -> dict[str, Any]:
    """The members of ``ColumnRules`` for a table; ``rules`` are for this table.

    A rule with a wildcard is for the columns that the table has now. One that is added later might be meant too, so it is not sent until
    `forwarder migrate` has seen it: ``include`` names those that are sent. ``exclude`` names those that a rule removes: a column that is sent may be
    given such a name.

    Raises:
        Misconfigured: rules contradict each other, or one names a column that is not there, or leaves out a part of the key.
    """
    treating = [rule for rule in rules if rule.rule_action in ("remove-column", "include-column", *_MASKS)]
    if not treating:
        return {}
    _require_columns(treating, table)
    literals = [rule.object_locator.column_name.literal for rule in treating if rule.object_locator.column_name]
    names = dict.fromkeys((*table.columns, *filter(None, literals)))
    sent = [name for name in names if _is_sent(treating, name, table)]
    masks = {name: rule for name in sent if (rule := _mask_of(treating, name, table))}
    found: dict[str, Any] = {}
    if _names_what_is_sent(treating):
        found["include"] = sent
    if removed := [name for name in names if name not in sent and _choice_of(treating, name, table)]:
        found["exclude"] = removed
    for name, rule in masks.items():
        if rule.rule_action == "data-masking-digits-mask":
            found.setdefault("mask_digits", {})[name] = rule.value
        else:
            found.setdefault(_MASKS[rule.rule_action], []).append(name)
    return found


def not_sent(rules: Iterable[TransformationRule], table: MappedTable) -> dict[str, TransformationRule | None]:
    """The columns of a table that are not sent, each with the rule that removes it; None: no rule includes it, where others are included.

    Raises:
        Misconfigured: as ``columns_of``.
    """
    treating = [rule for rule in rules if rule.rule_action in ("remove-column", "include-column")]
    return {name: _choice_of(treating, name, table) for name in table.columns if not _is_sent(treating, name, table)}


def _names_what_is_sent(rules: Sequence[TransformationRule]) -> bool:
    """Whether a column that is added later must not be sent unseen."""
    return any(rule.rule_action == "include-column" or _literal(rule) is None for rule in rules)


def deciding(rules: Iterable[TransformationRule], table: MappedTable) -> dict[str, list[TransformationRule]]:
    """For each column of a table, the rules by which it is left out, included or covered.

    Raises:
        Misconfigured: as ``columns_of``.
    """
    treating = [rule for rule in rules if rule.rule_action in ("remove-column", "include-column", *_MASKS)]
    found: dict[str, list[TransformationRule]] = {}
    for name in table.columns:
        choice, mask = _choice_of(treating, name, table), _mask_of(treating, name, table)
        # A column of the key is sent in any case.
        is_idle = choice is not None and choice.rule_action == "remove-column" and name in table.key
        found[name] = [rule for rule in (None if is_idle else choice, mask) if rule]
    return found


def _is_sent(rules: Sequence[TransformationRule], name: str, table: MappedTable) -> bool:
    rule = _choice_of(rules, name, table)
    is_included = any(rule.rule_action == "include-column" for rule in rules)
    if name in table.key and (rule is None or rule.rule_action == "remove-column"):
        if rule is None or is_included:
            # What is not included is left out, but for the key.
            return True
        raise Misconfigured(
            f"rule-id {rule.rule_id} removes column {name} of {table}, which is part of the key, without which nobody can tell which row has"
            " changed; write data-masking-hash-mask instead"
        )
    return not is_included if rule is None else rule.rule_action == "include-column"


def _choice_of(rules: Sequence[TransformationRule], name: str, table: MappedTable) -> TransformationRule | None:
    """The rule that removes a column or includes it; None if there is none."""
    return the_one(
        (
            rule
            for rule in rules
            if rule.rule_action in ("remove-column", "include-column") and _names_column(rule, name)
        ),
        rank=lambda rule: (_literal(rule) == name, *rank_of_table(rule, table.schema, table.name)),
        says=lambda rule: rule.rule_action,
        about=f"column {name} of {table}",
    )


def _mask_of(rules: Sequence[TransformationRule], name: str, table: MappedTable) -> TransformationRule | None:
    rule = the_one(
        (rule for rule in rules if rule.rule_action in _MASKS and _names_column(rule, name)),
        rank=lambda rule: (_literal(rule) == name, *rank_of_table(rule, table.schema, table.name)),
        says=lambda rule: (rule.rule_action, rule.value),
        about=f"column {name} of {table}",
    )
    if rule and name in table.key and rule.rule_action != "data-masking-hash-mask":
        raise Misconfigured(
            f"rule-id {rule.rule_id} covers digits of column {name} of {table}, which is part of the key: rows could not be told apart any more;"
            " write data-masking-hash-mask instead"
        )
    if rule and name in table.columns and name not in table.texts and rule.rule_action != "data-masking-hash-mask":
        raise Misconfigured(
            f"rule-id {rule.rule_id} covers digits of column {name} of {table}, which is no text; write data-masking-hash-mask instead, or"
            " remove-column"
        )
    return rule


def _require_columns(rules: Iterable[TransformationRule], table: MappedTable) -> None:
    for rule in rules:
        name = _literal(rule)
        if name and table.columns and name not in table.columns and names_exactly(rule, table.schema, table.name):
            raise Misconfigured(
                f"rule-id {rule.rule_id} names column {name!r}, which {table} does not have; {nearest(name, tuple(table.columns))}"
            )


def matched_columns(rule: TransformationRule, table: MappedTable) -> Iterator[str]:
    """The columns that a rule is for, of those that the table has."""
    return (name for name in table.columns if _names_column(rule, name))


def _names_column(rule: TransformationRule, name: str) -> bool:
    column = rule.object_locator.column_name
    return column is not None and column.matches(name)


def _literal(rule: TransformationRule) -> str | None:
    column = rule.object_locator.column_name
    return column.literal if column else None
