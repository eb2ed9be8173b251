"""The rules of ``[[table]]`` as the database keeps them, to capture a table in the moment in which it is created. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec

from forwarder.capture.mapping_rule import MappingRule, mapping_rule
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.trigger_set import serialized, trigger_set
from forwarder.config.settings import TableRule
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.config.table_options import TableOptions
from forwarder.database.quoting import literal


def rules_of(tables: Sequence[TableRule], mappings: TableMappings | None = None) -> list[Rule]:
    """The rules that the settings have, in their order: the table mappings of DMS come first, so what a [[table]] says counts over them.

    Raises:
        Misconfigured: a pattern is malformed.
    """
    described = [
        Rule(match=Pattern(rule.match), exclude=tuple(map(Pattern, rule.exclude)), options=rule.options)
        for rule in tables
    ]
    return [mapping_rule(mappings), *described] if mappings else described


_LIST = ",\n"
# The options by which every table has the same triggers. Any other one has to be worked out for each table.
_SUITING = {"before", "where", "operations", "skip_unchanged", "context", "audit"}


class StoredRule(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``forwarder.table_rule``, which says what its columns mean. ``options`` and ``triggers`` are JSON."""

    schema_pattern: str
    table_pattern: str
    excluded: tuple[tuple[str, str], ...] = ()
    options: str | None = None
    before: str = "full"
    triggers: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRules:
    """Have the database know these rules, in their order, and no others. None: new tables are not captured by themselves."""

    rules: tuple[StoredRule, ...]
    table: str = "forwarder.table_rule"

    @property
    def sql(self) -> str:
        """Statements that lock no table of the application."""
        rows = [
            f"({place}, {literal(rule.schema_pattern)}, {literal(rule.table_pattern)}, {literal(json.dumps(rule.excluded, ensure_ascii=False))},"
            f" {_json(rule.options)}, {literal(rule.before)}, {_json(rule.triggers)})"
            for place, rule in enumerate(self.rules, start=1)
        ]
        insertion = "INSERT INTO forwarder.table_rule (place, schema_pattern, table_pattern, excluded, options, before_image, triggers) VALUES"
        return "\n".join(["DELETE FROM forwarder.table_rule;", *([insertion, f"{_LIST.join(rows)};"] if rows else [])])


def read(text: str) -> StoredRule:
    """A rule as table_rules.sql returns it. Equal ones are written in one way."""
    rule = msgspec.json.decode(text, type=StoredRule)
    return msgspec.structs.replace(rule, options=_canonical(rule.options), triggers=_canonical(rule.triggers))


def stored(rules: Sequence[Rule]) -> tuple[StoredRule, ...]:
    """The rules as the database is to have them."""
    return tuple(chain.from_iterable(map(_stored, rules)))


def _stored(rule: Rule) -> Iterator[StoredRule]:
    if isinstance(rule, MappingRule):
        # Options without triggers have to be worked out for each table.
        for schema, table, says in rule.stored():
            yield StoredRule(schema_pattern=schema, table_pattern=table, options="{}" if says else None)
        return
    assert isinstance(rule.match, Pattern)
    schema, table = rule.match.expressions
    excluded = tuple(pattern.expressions for pattern in rule.exclude)
    if not rule.options:
        yield StoredRule(schema_pattern=schema, table_pattern=table, excluded=excluded)
        return
    options = TableOptions.model_validate(rule.options)
    yield StoredRule(
        schema_pattern=schema,
        table_pattern=table,
        excluded=excluded,
        options=_canonical(json.dumps(options.set_ones)),
        before=options.before,
        triggers=_canonical(serialized(trigger_set(options, columns=(), key=(), treatments={})))
        if _suits_all(options)
        else None,
    )


def _suits_all(options: TableOptions) -> bool:
    """Whether every table has the same triggers by these options, whatever its columns and key are."""
    return options.set_ones.keys() <= _SUITING and options.before in ("full", "none")


def _canonical(text: str | None) -> str | None:
    return None if text is None else json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True)


def _json(text: str | None) -> str:
    return "NULL" if text is None else literal(text)
