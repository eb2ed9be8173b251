"""Policies as IAM reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VERSION = "2012-10-17"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Some actions that are allowed on some resources."""

    # What for, in one word of letters: IAM's Sid.
    sid: str
    actions: Sequence[str]
    resources: Sequence[str]

    @property
    def document(self) -> Mapping[str, Any]:
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": sorted(set(self.resources)),
        }


def policy(statements: Iterable[Statement]) -> Mapping[str, Any]:
    """A policy of these statements."""
    return {"Version": VERSION, "Statement": [statement.document for statement in statements]}


def trusting_tasks(account: str, partition: str, region: str) -> Mapping[str, Any]:
    """Who may take a role of the tasks: ECS, for tasks of this account.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#create_task_iam_policy_and_role
    """
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "ArnLike": {"aws:SourceArn": f"arn:{partition}:ecs:{region}:{account}:*"},
                    "StringEquals": {"aws:SourceAccount": account},
                },
            }
        ],
    }


def trusting_role(role: str, *, external_id: str | None) -> Mapping[str, Any]:
    """Who may take the role of ``role_arn``: the task's role, if it shows the external id."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "sts:AssumeRole"}
    if external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return {"Version": VERSION, "Statement": [statement]}
