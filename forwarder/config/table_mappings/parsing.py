"""Reads the text of a mapping file. Pure.

The rules stand in one of these places:

1. ``{"rules": [...]}``, as the console shows them and ``aws dms create-replication-task --table-mappings file://…`` takes them
2. ``[...]``, the list alone
3. ``{"TableMappings": …}``, an object or a text with JSON in it, alone or in ``ReplicationTasks`` or ``ReplicationConfigs``, as
   ``aws dms describe-replication-tasks`` and ``describe-replication-configs`` print them

What is null is as if it were not there: the console writes out all members.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from forwarder.config.suggestions import nearest
from forwarder.config.table_mappings.refusals import refusal
from forwarder.config.table_mappings.rules import RULE_TYPES, AnyRule
from forwarder.config.texts import printable, unsound
from forwarder.errors import Misconfigured

_LISTS = ("ReplicationTasks", "ReplicationConfigs")
_SINGLES = ("ReplicationTask", "ReplicationConfig")


def parse(text: str, *, source: str) -> tuple[AnyRule, ...]:
    """The rules, in their order. ``source``: what the file is called in messages.

    Raises:
        Misconfigured: it is no JSON, has no rules, or has a rule that says nothing, contradicts itself, or asks for what cannot be done.
    """
    rules = tuple(
        _rule(found, place, source)
        for place, found in enumerate(rules_in(_decoded(text, source), source=source), start=1)
    )
    first_of: dict[str, int] = {}
    for place, rule in enumerate(rules, start=1):
        if (first := first_of.setdefault(rule.rule_id, place)) != place:
            raise Misconfigured(
                f"{source}: rule-id {rule.rule_id} is that of rules {first} and {place} of the list; give each its own"
            )
    return rules


def survey(text: str, *, source: str) -> tuple[Sequence[AnyRule], Sequence[str]]:
    """The rules that can be followed, and for each of the others why not.

    Raises:
        Misconfigured: it is no JSON, or has no rules.
    """
    rules: list[AnyRule] = []
    problems: list[str] = []
    for place, found in enumerate(rules_in(_decoded(text, source), source=source), start=1):
        try:
            rules.append(_rule(found, place, source))
        except Misconfigured as error:
            problems.append(f"{error}")
    return rules, problems


def rules_in(document: Any, *, source: str) -> Sequence[Any]:
    """The list of rules in a document, wherever it stands.

    Raises:
        Misconfigured: there is none, or there are several.
    """
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        raise Misconfigured(f'{source}: no table mappings: there is {_kind(document)} where {{"rules": […]}} should be')
    if "rules" in document:
        if not isinstance(document["rules"], list):
            raise Misconfigured(f"{source}: rules is {_kind(document['rules'])}, and should be a list")
        return document["rules"]
    tasks = [
        *chain.from_iterable(document.get(name) or () for name in _LISTS),
        *(document[name] for name in _SINGLES if name in document),
    ]
    found = [task for task in tasks if isinstance(task, dict) and "TableMappings" in task]
    if len(found) > 1:
        raise Misconfigured(
            f"{source} has {len(found)} tasks, each with its table mappings; leave one, or run `forwarder import-dms` on it"
        )
    holder = found[0] if found else document
    if "TableMappings" not in holder:
        raise Misconfigured(f'{source} has no table mappings; they begin with {{"rules": [')
    inner = holder["TableMappings"]
    return rules_in(_decoded(inner, f"TableMappings in {source}") if isinstance(inner, str) else inner, source=source)


def _decoded(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Misconfigured(
            f"{source} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise Misconfigured(f"{source} is not valid: it is nested too deeply") from None


def _rule(found: Any, place: int, source: str) -> AnyRule:
    if not isinstance(found, dict):
        raise Misconfigured(f"{source}: rule {place} of the list is {_kind(found)}, and should be an object")
    named = (
        f"{source}: rule-id {printable(str(found['rule-id']))}"
        if "rule-id" in found
        else f"{source}: rule {place} of the list (without a rule-id)"
    )
    if problem := unsound(found):
        raise Misconfigured(f"{named}: {problem}")
    kind = found.get("rule-type")
    model = RULE_TYPES.get(str(kind))
    if model is None:
        said = "rule-type is missing" if kind is None else f"rule-type {kind!r} is unknown"
        raise Misconfigured(f"{named}: {said}; {nearest(str(kind), tuple(RULE_TYPES))}")
    try:
        rule = model.model_validate(_without_nulls(found))
    except ValidationError as error:
        raise Misconfigured(f"{named}: {_problem(error, model)}") from None
    if reason := refusal(rule):
        raise Misconfigured(f"{named}: {reason}")
    return rule


def _without_nulls(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {inner: given for inner, given in value.items() if given is not None}
        if isinstance(value, dict)
        else value
        for name, value in members.items()
        if value is not None
    }


def _problem(error: ValidationError, model: type[BaseModel]) -> str:
    # A member that is missing is most likely the one that is unknown, misspelt.
    problem = min(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
    where = ".".join(f"{part}" for part in problem["loc"])
    match problem["type"]:
        case "missing":
            return f"{where} is missing"
        case "extra_forbidden":
            return f"{where} is unknown; {nearest(str(problem['loc'][-1]), _members(problem, model))}"
        case "literal_error":
            return f"{where} {problem['input']!r} is unknown; {nearest(str(problem['input']), _choices(problem))}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _choices(problem: ErrorDetails) -> tuple[str, ...]:
    # pydantic says: 'include', 'exclude' or 'explicit'.
    return tuple(problem["ctx"]["expected"].replace(" or ", ", ").strip("'").split("', '"))


def _members(problem: ErrorDetails, model: type[BaseModel]) -> tuple[str, ...]:
    """The members that are known where the problem's is unknown."""
    inner: type[BaseModel] = model
    for part in problem["loc"][:-1]:
        field = next((field for field in inner.model_fields.values() if field.alias == part), None)
        inner = (field and _model_in(field.annotation)) or inner
    return tuple(field.alias or "" for field in inner.model_fields.values())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _kind(value: Any) -> str:
    kinds: Mapping[type, str] = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return kinds.get(type(value), "null")
