"""The task definitions: of the service, and of the task that migrates the database before each release. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from forwarder.config.reader import PREFIX
from forwarder.config.settings import Settings
from forwarder.deployment.database_login import database_login
from forwarder.deployment.given_settings import variables
from forwarder.deployment.place import Place
from forwarder.deployment.secrets import Secret
from forwarder.deployment.task_size import TaskSize
from forwarder.errors import Misconfigured

# The image's; ECS wants to know it as well.
USER = "65532:65532"
# The image's as well, which ECS does not heed. It finds the port where the listener does, in FORWARDER_HTTP_BIND.
HEALTH_CHECK = ("python", "-P", "-m", "forwarder.status.probe")
# The program needs a moment after stop_timeout_seconds, and ECS waits no longer than two minutes: then it kills.
STOP_MARGIN_SECONDS = 5
MOST_STOP_SECONDS = 120

# The variables that a migration reads; it serves no HTTP, and counts nothing.
_OF_MIGRATION = re.compile(f"{PREFIX}(LOG_FORMAT|SINK|DATABASE_.*)")

ARCHITECTURES = {"arm64": "ARM64", "x86-64": "X86_64"}
# The smallest task that Fargate has.
_LEAST = TaskSize(cpu=256, memory_mib=512)


def of_service(settings: Settings, place: Place, *, size: TaskSize, secrets: Sequence[Secret]) -> Mapping[str, Any]:
    """The task that delivers.

    Raises:
        Misconfigured: ECS does not wait as long as it may take to stop.
    """
    container = {
        **_container(place, variables(settings, place), secrets),
        "command": ["listen"],
        "stopTimeout": stop_seconds(settings),
        "healthCheck": {
            "command": ["CMD", *HEALTH_CHECK],
            "interval": 15,
            "timeout": 5,
            "retries": 3,
            "startPeriod": 30,
        },
    }
    return {**_task(place, size, family=place.name, container=container), "taskRoleArn": place.role("task")}


def of_migration(settings: Settings, place: Place, *, secrets: Sequence[Secret]) -> Mapping[str, Any]:
    """The task that brings schema and triggers in line, and ends. It has a role only if it logs in at the database by AWS."""
    given = {name: value for name, value in variables(settings, place).items() if _OF_MIGRATION.fullmatch(name)}
    container = {**_container(place, given, secrets), "command": migrate_command(settings)}
    role = {"taskRoleArn": place.role("migration")} if database_login(settings.database, place).statements else {}
    return {**_task(place, _LEAST, family=f"{place.name}-migrate", container=container), **role}


def migrate_command(settings: Settings) -> Sequence[str]:
    """What is captured: what the settings say, else all of schema public."""
    return ["migrate"] if settings.table or settings.table_mappings else ["migrate", "--table", "public.*"]


def stop_seconds(settings: Settings) -> int:
    """How long ECS is to wait between SIGTERM and SIGKILL.

    Raises:
        Misconfigured: it does not wait so long.
    """
    seconds = int(settings.listen.stop_timeout_seconds) + STOP_MARGIN_SECONDS
    if seconds > MOST_STOP_SECONDS:
        raise Misconfigured(
            f"stop_timeout_seconds in [listen] is above {MOST_STOP_SECONDS - STOP_MARGIN_SECONDS}, and ECS kills after "
            f"{MOST_STOP_SECONDS} seconds; lower it"
        )
    return seconds


def _task(place: Place, size: TaskSize, *, family: str, container: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "family": family,
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {
            "cpuArchitecture": ARCHITECTURES[place.cpu_architecture],
            "operatingSystemFamily": "LINUX",
        },
        "networkMode": "awsvpc",
        "cpu": str(size.cpu),
        "memory": str(size.memory_mib),
        "executionRoleArn": place.role("execution"),
        "containerDefinitions": [container],
    }


def _container(place: Place, given: Mapping[str, str], secrets: Sequence[Secret]) -> Mapping[str, Any]:
    return {
        "name": "forwarder",
        "image": place.image,
        "essential": True,
        "user": USER,
        "readonlyRootFilesystem": True,
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
        "environment": [{"name": name, "value": value} for name, value in given.items()],
        "secrets": [{"name": secret.variable, "valueFrom": secret.value_from} for secret in secrets],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": place.log_group,
                "awslogs-region": place.region,
                "awslogs-stream-prefix": "forwarder",
                "mode": "non-blocking",
                "max-buffer-size": "4m",
            },
        },
    }
