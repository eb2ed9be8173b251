"""Terraform makes what the CloudFormation stack makes, resource by resource; only the migration is run in another way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from tests.support.terraform import as_terraform, snake, stack, terraform

# By its name in the stack, a resource's address in Terraform.
SAME = {
    "Logs": "aws_cloudwatch_log_group.logs",
    "TaskRole": "aws_iam_role.task",
    "TaskPolicy": "aws_iam_role_policy.task",
    "ExecutionRole": "aws_iam_role.execution",
    "ExecutionPolicy": "aws_iam_role_policy.execution",
    "MigrationRole": "aws_iam_role.migration",
    "SecurityGroup": "aws_security_group.tasks",
    "DatabaseLetsTasksIn": "aws_vpc_security_group_ingress_rule.database",
    "Cluster": "aws_ecs_cluster.cluster",
    "TaskDefinition": "aws_ecs_task_definition.service",
    "MigrationDefinition": "aws_ecs_task_definition.migration",
    "Migration": "terraform_data.migration",
    "Service": "aws_ecs_service.service",
    "EndpointSecurityGroup": "aws_security_group.endpoints",
    **{
        f"{name}Endpoint": "aws_vpc_endpoint.interfaces"
        for name in ("Kinesis", "SecretsManager", "Parameters", "EcrApi", "EcrDocker", "Logs", "Sts")
    },
    "S3Endpoint": "aws_vpc_endpoint.s3",
    "AlarmTopic": "aws_sns_topic.alarms",
    "AlarmSubscription": "aws_sns_topic_subscription.email",
    "LateAlarm": "aws_cloudwatch_metric_alarm.late",
    "NobodyDeliversAlarm": "aws_cloudwatch_metric_alarm.nobody_delivers",
    "DeadLettersAlarm": "aws_cloudwatch_metric_alarm.dead_letters",
    "ThrottlingAlarm": "aws_cloudwatch_metric_alarm.throttling",
    "OutboxAlarm": "aws_cloudwatch_metric_alarm.outbox",
    "Dashboard": "aws_cloudwatch_dashboard.dashboard",
}
# Terraform has AWS's CLI run the migration; the stack has a function.
ONLY_IN_THE_STACK = {"MigrationRunner", "MigrationRunnerRole", "MigrationRunnerPolicy"}
# In the stack it is within its role.
ONLY_IN_TERRAFORM = {"aws_iam_role_policy.migration"}


@pytest.fixture(scope="module")
def ours() -> Mapping[str, Any]:
    return terraform()


def properties(name: str) -> Any:
    """The properties of a resource of the stack, as Terraform has values."""
    return as_terraform(stack()["Resources"][name]["Properties"])


def test_every_resource_has_its_counterpart(ours: Mapping[str, Any]) -> None:
    assert set(stack()["Resources"]) == set(SAME) | ONLY_IN_THE_STACK
    assert set(ours["resource"]) == set(SAME.values()) | ONLY_IN_TERRAFORM


def test_every_parameter_is_a_variable_with_the_same_default(ours: Mapping[str, Any]) -> None:
    parameters = {snake(name): parameter for name, parameter in stack()["Parameters"].items()}
    assert set(ours["variable"]) == {*parameters, "name"}
    for name, parameter in parameters.items():
        variable = ours["variable"][name]
        assert variable["description"] == parameter["Description"]
        assert ("default" in variable) == ("Default" in parameter), name
        if "default" in variable:
            assert _listed(variable["default"]) == str(parameter["Default"]), name


def _listed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)


def test_the_policies_are_the_same(ours: Mapping[str, Any]) -> None:
    (of_migration,) = properties("MigrationRole")["Policies"]
    documents = {
        "task": properties("TaskPolicy")["PolicyDocument"],
        "execution": properties("ExecutionPolicy")["PolicyDocument"],
        "migration": of_migration["PolicyDocument"],
    }
    for name, document in documents.items():
        assert dict(_statements(ours["data"][f"aws_iam_policy_document.{name}"])) == {
            statement["Sid"]: (statement["Action"], statement["Resource"]) for statement in document["Statement"]
        }
        attached = ours["resource"][f"aws_iam_role_policy.{name}"]
        assert attached["policy"] == f"${{data.aws_iam_policy_document.{name}.json}}"
        assert f"aws_iam_role.{name}" in attached["role"]


def _statements(document: Mapping[str, Any]) -> Iterable[tuple[str, tuple[Any, Any]]]:
    dynamic = [inner["statement"]["content"][0] for inner in document.get("dynamic", [])]
    for statement in [*dynamic, *document.get("statement", [])]:
        yield statement["sid"], (statement["actions"], statement["resources"])


def test_a_statement_depends_on_what_its_resources_are(ours: Mapping[str, Any]) -> None:
    for name in ("task", "execution", "migration"):
        for inner in ours["data"][f"aws_iam_policy_document.{name}"]["dynamic"]:
            resources = json.dumps(inner["statement"]["content"][0]["resources"])
            variables = set(re.findall(r"var\.(\w+)", resources)) - {"object_arns"}
            assert all(variable in inner["statement"]["for_each"] for variable in variables), resources


def test_the_roles_trust_the_same(ours: Mapping[str, Any]) -> None:
    (statement,) = ours["data"]["aws_iam_policy_document.trusting_tasks"]["statement"]
    conditions = {item["test"]: {item["variable"]: item["values"]} for item in statement["condition"]}
    for role in ("TaskRole", "ExecutionRole", "MigrationRole"):
        (trusted,) = properties(role)["AssumeRolePolicyDocument"]["Statement"]
        assert [trusted["Action"]] == statement["actions"]
        assert statement["principals"][0]["identifiers"] == [trusted["Principal"]["Service"]]
        assert conditions == {
            test: {name: [value] for name, value in held.items()} for test, held in trusted["Condition"].items()
        }
        assert (
            ours["resource"][SAME[role]]["assume_role_policy"] == "${data.aws_iam_policy_document.trusting_tasks.json}"
        )


def _as_ecs(value: Any) -> Any:
    """With the names that ECS's API has, and those of options as they are."""
    if isinstance(value, Mapping):
        return {name[:1].lower() + name[1:]: _as_ecs(item) for name, item in value.items()}
    return [_as_ecs(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("definition", "own", "names"),
    [
        ("TaskDefinition", "service", ("environment", "secrets")),
        ("MigrationDefinition", "migration", ("migration_environment", "migration_secrets")),
    ],
)
def test_the_containers_are_the_same(
    ours: Mapping[str, Any], definition: str, own: str, names: tuple[str, str]
) -> None:
    theirs = properties(definition)
    (container,) = _as_ecs(theirs["ContainerDefinitions"])
    made = {**ours["locals"]["container"], **ours["locals"][f"{own}_container"]}
    for member, local, value in (("environment", names[0], "value"), ("secrets", names[1], "valueFrom")):
        given = {item["name"]: _variable(item[value]) for item in container[member]}
        assert {name: _variable(text) for name, text in ours["locals"][local].items()} == given
    assert {name: item for name, item in made.items() if name not in ("environment", "secrets")} == {
        name: item for name, item in container.items() if name not in ("environment", "secrets")
    }
    task = ours["resource"][SAME[definition]]
    assert [task["family"], str(task["cpu"]), str(task["memory"])] == [
        theirs["Family"],
        str(theirs["Cpu"]),
        str(theirs["Memory"]),
    ]
    assert [task["execution_role_arn"], task["task_role_arn"]] == [theirs["ExecutionRoleArn"], theirs["TaskRoleArn"]]
    assert task["network_mode"] == theirs["NetworkMode"]
    assert task["requires_compatibilities"] == theirs["RequiresCompatibilities"]
    assert task["runtime_platform"] == [{snake(name): value for name, value in theirs["RuntimePlatform"].items()}]


def _variable(text: str) -> str:
    """The last variable that an expression names; a text as it is."""
    named: list[str] = re.findall(r"var\.\w+", text)
    return named[-1] if named else text


def test_the_service_is_the_same(ours: Mapping[str, Any]) -> None:
    theirs, service = properties("Service"), ours["resource"]["aws_ecs_service.service"]
    for name, member in (
        ("name", "ServiceName"),
        ("cluster", "Cluster"),
        ("task_definition", "TaskDefinition"),
        ("desired_count", "DesiredCount"),
        ("launch_type", "LaunchType"),
        ("availability_zone_rebalancing", "AvailabilityZoneRebalancing"),
    ):
        assert service[name] == theirs[member]
    deployment = theirs["DeploymentConfiguration"]
    assert service["deployment_minimum_healthy_percent"] == deployment["MinimumHealthyPercent"]
    assert service["deployment_maximum_percent"] == deployment["MaximumPercent"]
    breaker = deployment["DeploymentCircuitBreaker"]
    assert service["deployment_circuit_breaker"] == [{"enable": breaker["Enable"], "rollback": breaker["Rollback"]}]
    network = theirs["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert service["network_configuration"] == [
        {"subnets": network["Subnets"], "security_groups": network["SecurityGroups"]}
    ]
    assert "${terraform_data.migration}" in service["depends_on"]


def test_the_network_is_the_same(ours: Mapping[str, Any]) -> None:
    egress = properties("SecurityGroup")["SecurityGroupEgress"]
    assert ours["resource"]["aws_security_group.tasks"]["egress"] == [
        {
            "description": rule["Description"],
            "protocol": rule["IpProtocol"],
            "from_port": rule["FromPort"],
            "to_port": rule["ToPort"],
            "cidr_blocks": [rule["CidrIp"]],
        }
        for rule in egress
    ]
    endpoints = [
        resource["Properties"]["ServiceName"]["Fn::Sub"].removeprefix("com.amazonaws.${AWS::Region}.")
        for resource in stack()["Resources"].values()
        if resource["Type"] == "AWS::EC2::VPCEndpoint"
    ]
    assert [*ours["locals"]["endpoint_services"], "s3"] == endpoints


@pytest.mark.parametrize("alarm", [name for name in SAME if name.endswith("Alarm")])
def test_an_alarm_is_the_same(ours: Mapping[str, Any], alarm: str) -> None:
    theirs, made = properties(alarm), ours["resource"][SAME[alarm]]
    dimensions = {item["Name"]: item["Value"] for item in theirs.pop("Dimensions")}
    assert made == {
        **{snake(name.replace("OKA", "OkA")): value for name, value in theirs.items()},
        "dimensions": dimensions,
    }


def test_the_dashboard_is_the_same(ours: Mapping[str, Any]) -> None:
    body = ours["resource"]["aws_cloudwatch_dashboard.dashboard"]["dashboard_body"]
    text = body[body.index("{") : body.rindex("}") + 1]
    assert json.loads(text) == json.loads(properties("Dashboard")["DashboardBody"])
