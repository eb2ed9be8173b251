"""Finds endpoints, tasks and table mappings in what ``aws dms describe-endpoints``, ``describe-replication-tasks`` and
``describe-replication-configs`` print, and which of them belong together. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forwarder.config.texts import unsound
from forwarder.errors import Misconfigured

_ENDPOINTS = ("Endpoints", "Endpoint")
_TASKS = ("ReplicationTasks", "ReplicationTask", "ReplicationConfigs", "ReplicationConfig")
COMMANDS = "aws dms describe-endpoints, describe-replication-tasks or describe-replication-configs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task, or a serverless replication. ``settings`` are its task settings, by group; ``mappings`` is the text of its table mappings."""

    name: str
    migration_type: str
    source_arn: str
    target_arn: str
    settings: Mapping[str, Any]
    mappings: str
    # As it is described.
    members: Mapping[str, Any]
    # The file that it is in, and whether it is the only one there.
    file: str
    is_alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One task with its endpoints, as far as the files tell."""

    task: Task | None = None
    source: Mapping[str, Any] | None = None
    target: Mapping[str, Any] | None = None
    # A file that has table mappings alone, and its text.
    mappings_file: str | None = None
    mappings: str = ""


def described(texts: Mapping[str, str], *, task: str | None = None) -> Description:
    """What is in these files, by their names; ``task`` names the one that is meant, if there are several.

    Raises:
        Misconfigured: a file is none of these, there are several tasks or endpoints to choose from, or one is not of PostgreSQL and Kinesis.
    """
    endpoints: list[Mapping[str, Any]] = []
    tasks: list[Task] = []
    mappings: dict[str, str] = {}
    for name, text in texts.items():
        document = _decoded(text, name)
        found = list(_members(document, _TASKS))
        for endpoint in _members(document, _ENDPOINTS):
            _require_objects(endpoint, ("KinesisSettings", "PostgreSQLSettings"), name)
        for members in (*found, *_members(document, _ENDPOINTS)):
            if problem := unsound(members):
                raise Misconfigured(f"{name}: {problem}")
        tasks.extend(_task(members, name, is_alone=len(found) == 1) for members in found)
        endpoints.extend(_members(document, _ENDPOINTS))
        if isinstance(document, list) or "rules" in document or "TableMappings" in document:
            mappings[name] = text
        elif not found and not any(member in document for member in _ENDPOINTS):
            raise Misconfigured(f"{name} is not what {COMMANDS} print, and has no table mappings")
    if len(mappings) > 1:
        raise Misconfigured(f"{' and '.join(mappings)} both have table mappings; give one of them")
    chosen = _chosen(tasks, task)
    file = next(iter(mappings), None)
    source_arn, target_arn = (chosen.source_arn, chosen.target_arn) if chosen else ("", "")
    return Description(
        task=chosen,
        source=_endpoint(endpoints, "source", source_arn, ("postgres", "aurora-postgresql")),
        target=_endpoint(endpoints, "target", target_arn, ("kinesis",)),
        mappings_file=file,
        mappings=mappings[file] if file else chosen.mappings if chosen else "",
    )


def _decoded(text: str, name: str) -> Any:
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Misconfigured(f"{name} is not valid JSON: {error}") from None
    if not isinstance(document, dict | list):
        raise Misconfigured(f"{name} is not what {COMMANDS} print, and has no table mappings")
    return document


def _members(document: Any, names: Iterable[str]) -> Iterable[Mapping[str, Any]]:
    for name in names if isinstance(document, dict) else ():
        listed = document.get(name, [])
        yield from (found for found in (listed if isinstance(listed, list) else [listed]) if isinstance(found, dict))


def _require_objects(holder: Any, names: Sequence[str], file: str) -> None:
    for name in names:
        if isinstance(holder, dict) and not isinstance(holder.get(name), dict | None):
            raise Misconfigured(f"{name} in {file} is no object; give the file as `aws dms` has printed it")


def _task(members: Mapping[str, Any], file: str, *, is_alone: bool) -> Task:
    name = str(members.get("ReplicationTaskIdentifier") or members.get("ReplicationConfigIdentifier") or "task")
    settings = members.get("ReplicationTaskSettings") or members.get("ReplicationSettings") or {}
    decoded = _decoded(settings, f"the settings of task {name} in {file}") if isinstance(settings, str) else settings
    _require_objects(decoded, ("TargetMetadata", "ErrorBehavior", "BeforeImageSettings"), file)
    mappings = members.get("TableMappings") or ""
    return Task(
        name=name,
        migration_type=str(members.get("MigrationType") or members.get("ReplicationType") or ""),
        source_arn=str(members.get("SourceEndpointArn") or ""),
        target_arn=str(members.get("TargetEndpointArn") or ""),
        settings=decoded if isinstance(decoded, dict) else {},
        mappings=mappings if isinstance(mappings, str) else json.dumps(mappings),
        members=members,
        file=file,
        is_alone=is_alone,
    )


def _chosen(tasks: Sequence[Task], name: str | None) -> Task | None:
    found = [task for task in tasks if name in (None, task.name)]
    names = ", ".join(task.name for task in tasks)
    if name is not None and not found:
        raise Misconfigured(f"there is no task {name!r}; the files have: {names or 'none'}")
    if len(found) > 1:
        raise Misconfigured(f"there are {len(found)} tasks; choose one by --task: {names}")
    return found[0] if found else None


def _endpoint(
    endpoints: Sequence[Mapping[str, Any]], kind: str, arn: str, engines: Sequence[str]
) -> Mapping[str, Any] | None:
    of_kind = [found for found in endpoints if str(found.get("EndpointType", "")).lower() == kind]
    found = [endpoint for endpoint in of_kind if endpoint.get("EndpointArn") == arn] if arn else []
    candidates = found or of_kind
    if len(candidates) > 1:
        names = ", ".join(str(endpoint.get("EndpointIdentifier")) for endpoint in candidates)
        raise Misconfigured(
            f"there are {len(candidates)} {kind} endpoints ({names}), and no task says which; give the file of the task too"
        )
    if not candidates:
        return None
    engine = str(candidates[0].get("EngineName", ""))
    if engine not in engines:
        name = candidates[0].get("EndpointIdentifier")
        raise Misconfigured(
            f"{kind} endpoint {name} is of engine {engine!r}; forwarder goes from PostgreSQL to Kinesis"
        )
    return candidates[0]
