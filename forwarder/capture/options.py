"""What the options of each table are, and which rule has set each of them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from forwarder.capture.selection import Candidate, Rule
from forwarder.capture.tables import Registered, Table
from forwarder.config.table_options import ColumnRules, TableOptions, merged
from forwarder.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Settled:
    """The options of one table. ``origins``: by option, such as ``before`` or ``columns.hash``, the pattern of the rule that has set it."""

    options: TableOptions
    origins: Mapping[str, str]

    @property
    def words(self) -> list[str]:
        """``before = "key" (by public.*)``: one for each option that differs from its default, in the order of the options."""
        found = self.options.set_ones
        members = {f"columns.{name}": value for name, value in found.pop("columns", {}).items()}
        return [
            f"{name} = {_toml(value)}{f' (by {self.origins[name]})' if name in self.origins else ''}"
            for name, value in (found | members).items()
        ]


def settle(table: Candidate, rules: Sequence[Rule], standing: TableOptions | None) -> Settled:
    """The options that the rules give to a table; the ``standing`` ones, which it has had, if no rule says anything of how it is captured.

    Raises:
        Misconfigured: what they say does not go together.
    """
    said = [(rule.match.text, rule.says(table)) for rule in rules if rule.applies(table)]
    saying = [(text, options) for text, options in said if options is not None]
    if not saying:
        return Settled(standing or TableOptions(), {})
    try:
        options = merged([options for _, options in saying])
    except ValidationError as error:
        patterns = " and ".join(text for text, _ in saying)
        problem = error.errors(include_input=False, include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise Misconfigured(f"table {table.schema}.{table.name}: {problem} (rules {patterns})") from None
    origins: dict[str, str] = {}
    for text, said_options in saying:
        for name, value in said_options.items():
            members = [f"columns.{member}" for member in value] if name == "columns" else []
            origins |= dict.fromkeys([name, *members], text)
    return Settled(options, origins)


def require_cover(table: Table, row: Registered | None, settled: Settled) -> None:
    """See that the columns of a table which was renamed are not sent because no rule knows its new name.

    Raises:
        Misconfigured: they would be.
    """
    covered = TableOptions.model_validate(row.options).columns if row else ColumnRules()
    if row is None or covered == ColumnRules() or settled.options.columns == covered or "columns" in settled.origins:
        return
    if (row.schema, row.name) != (table.schema, table.name):
        raise Misconfigured(
            f"{table.quoted} was {row.quoted}, whose rules cover {', '.join(covered.named) or 'all its columns'}, and no rule says anything of"
            f" its columns under the new name; add columns to a [[table]] that matches it: the same, or {{}} to send them all"
        )


def require_own(rule: Rule, chosen: Sequence[Table], tables: Sequence[Table]) -> None:
    """See that options which a rule sets are those of tables, and not of partitions alone: these have the triggers of their table.

    Raises:
        Misconfigured: it matches nothing else.
    """
    relations = {table.relation for table in chosen}
    parts = [table for table in tables if rule.applies(table) and not relations.isdisjoint(table.ancestors)]
    if rule.options and parts and not any(rule.applies(table) for table in chosen):
        raise Misconfigured(
            f"[[table]] {rule.match.text!r} sets options of {parts[0].quoted}, which is a partition and has those of its table; set them there"
        )


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{ {', '.join(f'{name} = {_toml(member)}' for name, member in value.items())} }}"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
