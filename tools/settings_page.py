"""Writes docs/configuration.md: every setting, as the settings themselves describe it. ``make docs``"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from forwarder.config.reader import environment_names
from forwarder.config.schema import schema
from forwarder.config.toml_values import inline

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

_HEAD = """# Every setting

Made by `make docs` from the settings themselves; a test compares. `forwarder config show` prints those that hold and where each comes from,
`forwarder config schema` the JSON Schema by which an editor completes and checks the file.

Settings are read from a file (`--config FILE`, else the one that `FORWARDER_CONFIG` names, else `forwarder.toml` where the command is run), then from
the environment, then from flags; the last one wins. What is unknown, or out of its bounds, is refused before anything is done.
`FORWARDER_SINK` is the URL of a sink, `NAME=URL` or `URL`, in place of those of the file.

"""
_SCHEMA = schema()
_NAMES = {place: name for name, place in environment_names().items()}
# What is a list of tables in the file.
_LISTS = ("table", "sink")


def page() -> str:
    """The text of the page."""
    return _HEAD + "\n".join(_lines())


def _lines() -> Iterator[str]:
    top = {name: member for name, member in _SCHEMA["properties"].items() if not _model(member)}
    yield from _section("Above all sections", "", {"properties": top})
    for name, member in _SCHEMA["properties"].items():
        if model := _model(member):
            heading = f"`[[{name}]]`" if name in _LISTS else f"`[{name}]`"
            yield from _section(heading, name, model)
            for field, inner in model["properties"].items():
                if part := _model(inner):
                    yield from _section(f"`{field}` in {heading}", "", part)


def _section(heading: str, section: str, model: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {heading}\n"
    if words := model.get("description"):
        _, _, said = words.partition("``: ") if words.startswith("``[") else ("", "", words)
        yield f"{said[:1].upper()}{said[1:]}\n".replace("``", "`")
    has_variables = any((section, field) in _NAMES for field in model["properties"])
    yield f"| key | value | default |{' variable |' if has_variables else ''} |"
    yield "|---" * (5 if has_variables else 4) + "|"
    # What has to be given comes first.
    for field, member in sorted(model["properties"].items(), key=lambda item: "default" in item[1]):
        required = field in model.get("required", ())
        default = "*required*" if required else _default(member)
        variable = f" `{_NAMES[section, field]}` |" if has_variables else ""
        yield f"| `{field}` | {_kind(member)} | {default} |{variable} {_cell(member.get('description', ''))} |"
    yield ""


def _model(member: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The section that a member of the schema is, or is a list of; None: it is a plain value."""
    reference = member.get("$ref") or member.get("items", {}).get("$ref")
    found: Mapping[str, Any] | None = _SCHEMA["$defs"][reference.rpartition("/")[2]] if reference else None
    return found


def _default(member: Mapping[str, Any]) -> str:
    if "$ref" in member or member.get("default") is None:
        return ""
    return f"`{inline(member['default'])}`" if member.get("format") != "password" else ""


def _kind(member: Mapping[str, Any]) -> str:
    """What a value may be, in words: ``a number from 1 to 256``."""
    if "anyOf" in member:
        return " or ".join(_kind(choice) for choice in member["anyOf"] if choice != {"type": "null"})
    if "enum" in member or "const" in member:
        return ", ".join(f"`{value}`" for value in member.get("enum", [member.get("const")]))
    match member.get("type"):
        case "boolean":
            return "true, false"
        case "integer":
            return f"whole number{_bounds(member)}"
        case "number":
            return f"number{_bounds(member)}"
        case "array":
            return f"list of {_kind(member['items'])}"
        case "object":
            return f"names with {_kind(member['additionalProperties'])}"
        case "string":
            return "text"
    return "a table"


def _bounds(member: Mapping[str, Any]) -> str:
    least, above = member.get("minimum"), member.get("exclusiveMinimum")
    words = f" from {least}" if least is not None else f" above {above}" if above is not None else ""
    return f"{words} to {member['maximum']}" if "maximum" in member else words


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
