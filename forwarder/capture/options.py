"""What the options of each table are, and which rule has set each of them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from forwarder.capture.selection import Candidate, Rule
from forwarder.config.table_options import TableOptions, merged
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
    saying = [rule for rule in rules if rule.options is not None and rule.applies(table)]
    if not saying:
        return Settled(standing or TableOptions(), {})
    try:
        options = merged([rule.options or {} for rule in saying])
    except ValidationError as error:
        patterns = " and ".join(rule.match.text for rule in saying)
        problem = error.errors(include_input=False, include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise Misconfigured(f"table {table.schema}.{table.name}: {problem} (rules {patterns})") from None
    origins: dict[str, str] = {}
    for rule in saying:
        for name, value in (rule.options or {}).items():
            members = [f"columns.{member}" for member in value] if name == "columns" else [name]
            origins |= dict.fromkeys(members, rule.match.text)
    return Settled(options, origins)


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
