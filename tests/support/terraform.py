"""The files of Terraform, read; and the template of the stack in Terraform's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import cfnlint.decode
import hcl2

from tests.packaging import ROOT
from tests.support.stack import TEMPLATE

FOLDER = ROOT / "deploy" / "terraform"
# What the stack refers to, as Terraform refers to it.
PSEUDO = {
    "AWS::StackName": "var.name",
    "AWS::Region": "local.region",
    "AWS::AccountId": "local.account",
    "AWS::Partition": "local.partition",
    "Logs": "aws_cloudwatch_log_group.logs.name",
    "AlarmTopic": "aws_sns_topic.alarms.arn",
    "Cluster": "aws_ecs_cluster.cluster.id",
    "TaskDefinition": "aws_ecs_task_definition.service.arn",
    "MigrationDefinition": "aws_ecs_task_definition.migration.arn",
    "SecurityGroup.GroupId": "aws_security_group.tasks.id",
    "TaskRole.Arn": "aws_iam_role.task.arn",
    "ExecutionRole.Arn": "aws_iam_role.execution.arn",
    "MigrationRole.Arn": "one(aws_iam_role.migration[*].arn)",
}


def stack() -> Mapping[str, Any]:
    """The template."""
    found: Mapping[str, Any] = cfnlint.decode.decode(str(TEMPLATE))[0]
    return found


def terraform() -> Mapping[str, Any]:
    """All files as one: by kind, and by address, what is there."""
    found: dict[str, dict[str, Any]] = {"resource": {}, "data": {}, "variable": {}, "locals": {}}
    for path in FOLDER.glob("*.tf"):
        with path.open() as file:
            for kind, blocks in hcl2.load(file).items():
                for block in blocks if kind in found else ():
                    found[kind] |= dict(_addressed(_plain(block)))
    return found


def _plain(value: Any) -> Any:
    """Without the quotation marks of HCL, and without what the parser notes."""
    if isinstance(value, Mapping):
        return {_plain(name): _plain(item) for name, item in value.items() if not str(name).startswith("__")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value.startswith('"') and value.endswith('"'):
        # What is within ${…} has quotation marks of its own, which are not escaped.
        return value[1:-1] if "${" in value or value.startswith('"<<') else json.loads(value)
    return value


def _addressed(block: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """A block by its address: type and name of a resource, else its name."""
    for name, inner in block.items():
        if "." not in name and re.match("aws_|terraform_", name):
            yield from ((f"{name}.{own}", body) for own, body in inner.items())
        else:
            yield name, inner


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def as_terraform(value: Any) -> Any:
    """A value of the stack as Terraform has it; of what depends on a condition, what there is if that holds."""
    if isinstance(value, list):
        return [as_terraform(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    match value:
        case {"Ref": name}:
            return f"${{{PSEUDO.get(name, f'var.{snake(name)}')}}}"
        case {"Fn::GetAtt": parts}:
            return f"${{{PSEUDO['.'.join(parts)]}}}"
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([\w:]+)\}", lambda found: as_terraform({"Ref": found[1]}), text)
        case {"Fn::If": [_, held, _]}:
            return as_terraform(held)
    return {name: as_terraform(item) for name, item in value.items()}
