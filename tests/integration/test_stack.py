"""The CloudFormation stack: it lints, goes through its life, migrates before each release, and allows what ``forwarder ecs`` says."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import anyio
import cfnlint.decode
import pytest

from forwarder.metrics.embedded import FIGURES
from tests.support.deployments import CONFIGURATIONS, REGION, Configuration
from tests.support.stack import STACK, TEMPLATE, Account, stack_account

pytestmark = pytest.mark.slow

EVERY = pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with stack_account(monkeypatch) as account:
        yield account


async def test_cfn_lint_finds_nothing() -> None:
    linted = await anyio.run_process([Path(sys.executable).with_name("cfn-lint"), TEMPLATE], check=False)
    assert (linted.returncode, linted.stdout.decode()) == (0, "")


def test_the_stack_is_created_updated_and_deleted(account: Account) -> None:
    cloudformation, configuration = account.client("cloudformation"), CONFIGURATIONS["one stream"]
    account.create(configuration)
    assert account.service()["desiredCount"] == 2
    assert account.runner.told == [("Create", None)]
    first = account.service()["taskDefinition"]

    newer = configuration.place.image.replace(":1.0", ":1.1")
    cloudformation.update_stack(
        StackName=STACK,
        UsePreviousTemplate=True,
        Parameters=account.parameters(configuration, Image=newer),
        Capabilities=["CAPABILITY_IAM"],
    )
    assert account.service()["desiredCount"] == 2
    assert account.service()["taskDefinition"] != first
    # The migration has run again, by the newer image, and before the service was changed.
    assert account.runner.told == [("Create", None), ("Update", None)]
    for definition in (account.runner.ran[-1]["taskDefinition"], account.service()["taskDefinition"]):
        assert account.container(definition)["image"] == newer

    cloudformation.delete_stack(StackName=STACK)
    assert not cloudformation.list_stacks(StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"])["StackSummaries"]
    # moto leaves clusters and their services where they are.
    assert not account.client("iam").list_roles()["Roles"]
    assert not account.client("sns").list_topics()["Topics"]
    # What the tasks have written outlives them.
    assert account.client("logs").describe_log_groups()["logGroups"]


def test_the_migration_runs_in_the_tasks_network_and_a_failure_is_told(account: Account) -> None:
    account.runner.exit_code = 1
    account.create(CONFIGURATIONS["one stream"])
    (ran,) = account.runner.ran
    subnets = account.network["SubnetIds"].split(",")
    assert ran["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": subnets,
        "securityGroups": [account.resources()["SecurityGroup"]],
    }
    (told,) = account.runner.told
    assert told == ("Create", "forwarder migrate: exit code 1, it ended; the log of arn:task says why")


def test_a_rollback_and_a_deletion_migrate_nothing(account: Account) -> None:
    code = _resource("MigrationRunner")["Properties"]["Code"]["ZipFile"]
    old, new = ({"TaskDefinition": f"arn:aws:ecs:task-definition/forwarder-migrate:{number}"} for number in (9, 10))
    account.runner.run(code, {"RequestType": "Update", "ResourceProperties": old, "OldResourceProperties": new})
    account.runner.run(code, {"RequestType": "Delete", "ResourceProperties": new})
    assert account.runner.told == [("Update", None), ("Delete", None)]
    assert not account.runner.ran


@EVERY
def test_the_stack_allows_and_runs_what_the_command_writes(account: Account, configuration: Configuration) -> None:
    account.create(configuration)
    roles = {"TaskRole": "task", "ExecutionRole": "execution", "MigrationRole": "migration"}
    made = account.resources()
    assert ("MigrationRole" in made) == ("migration-policy.json" in configuration.texts())
    for role, part in roles.items():
        if role in made:
            assert account.policy(role) == configuration.document(f"{part}-policy.json")
    for family, file in ((STACK, "task-definition.json"), (f"{STACK}-migrate", "migration-definition.json")):
        assert _same(account.container(family)) == _same(configuration.document(file)["containerDefinitions"][0])


def test_the_function_may_make_exactly_the_calls_that_it_makes() -> None:
    statements = _resource("MigrationRunnerPolicy")["Properties"]["PolicyDocument"]["Statement"]
    allowed = {action for statement in statements for action in statement["Action"] if action.startswith("ecs:")}
    code = _resource("MigrationRunner")["Properties"]["Code"]["ZipFile"]
    # The waiter of stopped tasks describes them.
    assert allowed == {"ecs:RunTask", "ecs:DescribeTasks"}
    assert set(re.findall(r"\becs\.(\w+)\(", code)) == {"run_task", "get_waiter", "describe_tasks"}


def test_alarms_and_dashboard_are_about_metrics_that_the_log_has() -> None:
    resources = _template()["Resources"]
    alarms = {
        resource["Properties"]["MetricName"]
        for resource in resources.values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert alarms == {"OldestUndeliveredSeconds", "DeadLetters", "Delivering", "FailedRequests", "OutboxBytes"}
    assert alarms <= set(FIGURES)
    dashboard = json.loads(resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    shown = {widget["properties"]["metrics"][0][1] for widget in dashboard["widgets"]}
    assert shown == set(FIGURES)


def test_endpoints_are_made_if_they_are_wanted(account: Account) -> None:
    account.create(CONFIGURATIONS["one stream"], EndpointsWanted="true")
    services = {
        endpoint["ServiceName"].removeprefix(f"com.amazonaws.{REGION}.")
        for endpoint in account.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    }
    assert services == {"kinesis-streams", "secretsmanager", "ssm", "ecr.api", "ecr.dkr", "logs", "sts", "s3"}


def _template() -> Any:
    return cfnlint.decode.decode(str(TEMPLATE))[0]


def _resource(name: str) -> Any:
    return _template()["Resources"][name]


def _same(container: Any) -> Any:
    """A container with its numbers as texts, as moto keeps some of them, and without what moto adds."""
    if isinstance(container, Mapping):
        return {name: _same(value) for name, value in container.items() if value not in ([], 0)}
    if isinstance(container, list):
        named = bool(container) and isinstance(container[0], Mapping)
        return [_same(value) for value in (sorted(container, key=itemgetter("name")) if named else container)]
    return str(container)
