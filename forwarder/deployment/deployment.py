"""Everything that ``forwarder ecs`` writes, for one configuration and one place. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from forwarder.config.settings import Settings
from forwarder.deployment import commands, given_settings, task_definition
from forwarder.deployment.database_login import database_login
from forwarder.deployment.permissions import destinations, of_execution, of_roles, of_task
from forwarder.deployment.place import Place
from forwarder.deployment.policy import policy, trusting_role, trusting_tasks
from forwarder.deployment.secrets import secrets
from forwarder.deployment.stack_parameters import stack_parameters
from forwarder.deployment.task_size import task_size

COMMANDS_FILE = "commands.sh"

_DOCKERFILE = """\
# The image of the project, with the settings that variables cannot say.
ARG FORWARDER=forwarder
FROM ${{FORWARDER}}
COPY {files} /etc/forwarder/
"""


def files(settings: Settings, place: Place, *, changes_per_second: int, mappings: str | None) -> Mapping[str, str]:
    """The texts of all files, by their names. ``mappings``: the text of the table mappings, if there are any.

    Raises:
        Misconfigured: this configuration does not run on ECS.
    """
    sinks = destinations(settings)
    kept = secrets(settings, place)
    login = database_login(settings.database, place)
    task, execution = of_task(sinks, login, place), of_execution(kept, place)
    size = task_size(settings, changes_per_second=changes_per_second)
    toml = given_settings.settings_file(settings)
    roles = {role: f"sink-role-{number}" for number, role in enumerate(of_roles(sinks, place), 1)}
    external_ids = {sink.target.role_arn: sink.target.external_id for sink in sinks}
    documents: dict[str, Any] = {
        "task-definition.json": task_definition.of_service(settings, place, size=size, secrets=kept.listen),
        "migration-definition.json": task_definition.of_migration(settings, place, secrets=kept.migrate),
        "task-policy.json": policy(task),
        "execution-policy.json": policy(execution),
        "trust-policy.json": trusting_tasks(place.account, place.partition, place.region),
        "stack-parameters.json": stack_parameters(
            settings, place, size=size, secrets=kept, statements=[*task, *execution]
        ),
    }
    if login.statements:
        documents["migration-policy.json"] = policy(login.statements)
    for role, statements in of_roles(sinks, place).items():
        documents[f"{roles[role]}-policy.json"] = policy(statements)
        documents[f"{roles[role]}-trust.json"] = trusting_role(place.role("task"), external_id=external_ids[role])
    texts = {name: f"{json.dumps(document, indent=2, ensure_ascii=False)}\n" for name, document in documents.items()}
    if toml is not None:
        texts |= _of_image(toml, mappings)
    ingredients = commands.Ingredients(
        place=place,
        destinations=sinks,
        secrets=kept.listen,
        roles=roles,
        has_settings_file=toml is not None,
        has_migration_role=bool(login.statements),
    )
    texts[COMMANDS_FILE] = commands.text([*commands.steps(ingredients), *commands.release(place)])
    return texts


def _of_image(toml: str, mappings: str | None) -> Mapping[str, str]:
    """The settings file, and the image that has it."""
    found = {given_settings.SETTINGS_FILE: toml}
    if mappings is not None:
        found[given_settings.MAPPINGS_FILE] = mappings
    return {**found, "Dockerfile": _DOCKERFILE.format(files=" ".join(found))}
