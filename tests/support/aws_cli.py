"""Commands of AWS's CLI, read by the models that the CLI itself is made of, and carried out by moto."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.validate import ParamValidator

# Options of every command.
_GLOBAL = ("region", "query", "output")
# What the CLI calls otherwise than the API, since it has an option `--endpoint-url` of its own.
_RENAMED = {"notification-endpoint": "endpoint"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsCommand:
    """A command that is one call of an API."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    def run(self, session: botocore.session.Session) -> Any:
        """Make the call."""
        client = session.create_client(self.service)
        return getattr(client, xform_name(self.operation))(**self.parameters)


def read(words: Sequence[str], *, folder: Path) -> AwsCommand:
    """Read the words behind ``aws``; ``folder`` is where its files are.

    Raises:
        AssertionError: there is no such command, option or value.
    """
    service, command, *rest = words
    model = botocore.session.Session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    assert command in operations, f"{service} {command}"
    shape = model.operation_model(operations[command]).input_shape
    assert shape is not None
    given = _options(rest)
    parameters = json.loads(_text(given.pop("cli-input-json")[0], folder)) if "cli-input-json" in given else {}
    members = {xform_name(name, "-"): name for name in shape.members}
    for option, values in given.items():
        if option not in _GLOBAL:
            is_no = option.startswith("no-") and option not in members
            name = members[_RENAMED.get(option, option.removeprefix("no-") if is_no else option)]
            parameters[name] = not is_no if not values else _value(shape.members[name], values, folder)
    report = ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), report.generate_report()
    return AwsCommand(service=service, operation=operations[command], parameters=parameters)


def lines(script: str) -> Sequence[Sequence[str]]:
    """The commands of a script that begin with ``aws``, word by word; one in ``NAME=$(…)`` too."""
    found = [re.sub(r"^\w+=\$\((.*)\)$", r"\1", line) for line in script.splitlines()]
    return [shlex.split(line)[1:] for line in found if line.startswith("aws ")]


def _options(words: Sequence[str]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name = word.removeprefix("--")
            given[name] = []
        else:
            given[name].append(word)
    return given


def _text(value: str, folder: Path) -> str:
    return (folder / value.removeprefix("file://")).read_text() if value.startswith("file://") else value


def _value(shape: Any, values: Sequence[str], folder: Path) -> Any:
    if shape.type_name == "list":
        return [_value(shape.member, [value], folder) for value in values]
    (value,) = values
    text = _text(value, folder)
    match shape.type_name:
        case "structure" | "map":
            found, rest = _shorthand(f"{{{text}}}", shape)
            assert not rest
            return found
        case "integer" | "long":
            return int(text)
        case "boolean":
            return {"true": True, "false": False}[text]
    return text


def _shorthand(text: str, shape: Any) -> tuple[Any, str]:
    """A value in the CLI's shorthand, such as ``{a=1,b=[c,d]}``, and what stands behind it."""
    if text.startswith("{"):
        members, text = {}, text[1:]
        while not text.startswith("}"):
            name, _, text = text.removeprefix(",").partition("=")
            members[name], text = _shorthand(text, shape.members[name])
        return members, text[1:]
    if text.startswith("["):
        items, text = [], text[1:]
        while not text.startswith("]"):
            item, text = _shorthand(text.removeprefix(","), shape.member)
            items.append(item)
        return items, text[1:]
    found = re.match(r"[^,\]}]*", text)
    assert found
    scalar = found[0]
    if shape.type_name == "boolean":
        return {"true": True, "false": False}[scalar], text[found.end() :]
    return int(scalar) if shape.type_name == "integer" else scalar, text[found.end() :]
