"""The files in deploy/ecs are what AWS accepts, and say of the program what is true of it."""

from __future__ import annotations

import ast
import json
import re
import socket
import sys
from collections.abc import Iterator
from string import Template
from typing import Any

import anyio
import botocore.session
import grimp
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator
from moto import mock_aws

from forwarder.config import reader, settings, sink_url
from tests.packaging import ROOT, health_check, instructions, parse_command_line
from tests.serving import serving

REGION = "eu-west-1"
PLACEHOLDERS = {
    "ACCOUNT_ID": "123456789012",
    "REGION": REGION,
    "STREAM": "changes",
    "TAG": "0.1.0",
    "BUCKET": "large-changes",
    "SECRET_ARN": f"arn:aws:secretsmanager:{REGION}:123456789012:secret:forwarder/database-url-AbCdEf",
}
POLICIES = ("task-policy.json", "execution-policy.json", "attachments-policy.json")


def read(name: str) -> Any:
    """A file of deploy/ecs with its placeholders filled; an unknown one is an error."""
    return json.loads(Template((ROOT / "deploy" / "ecs" / name).read_text()).substitute(PLACEHOLDERS))


@pytest.fixture
def task_definition() -> dict[str, Any]:
    definition: dict[str, Any] = read("task-definition.json")
    return definition


@pytest.fixture
def container(task_definition: dict[str, Any]) -> dict[str, Any]:
    (only,) = task_definition["containerDefinitions"]
    assert isinstance(only, dict)
    return only


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[botocore.session.Session]:
    """AWS as moto plays it, within this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield botocore.session.Session()


def input_shape(service: str, operation: str) -> Any:
    return botocore.session.Session().get_service_model(service).operation_model(operation).input_shape


def actions_of(policy: dict[str, Any]) -> set[str]:
    """Every action that the policy allows; one may be written without a list."""
    return {
        action
        for statement in policy["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


def methods_of_listen(client: str) -> set[str]:
    """The methods that any module of the service calls on this client of AWS."""
    modules = grimp.build_graph("forwarder", cache_dir=None).find_upstream_modules("forwarder.listen.service")
    sources = {module: ROOT.joinpath(*module.split(".")).with_suffix(".py") for module in modules}
    texts = {module: path.read_text() for module, path in sources.items() if path.is_file()}
    assert sorted(module for module, text in texts.items() if "create_client(" in text) == [
        "forwarder.aws.kinesis_client",
        "forwarder.sinks.claim_check",
    ]
    return {name for text in texts.values() for name in _methods_called(text, on=client)}


def _methods_called(source: str, *, on: str) -> set[str]:
    functions = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return {
        function.attr
        for function in functions
        if isinstance(function, ast.Attribute) and ast.unparse(function.value) == on
    }


def test_the_task_definition_has_only_members_that_ecs_knows(task_definition: dict[str, Any]) -> None:
    shape = input_shape("ecs", "RegisterTaskDefinition")
    report = ParamValidator().validate(task_definition, shape)
    assert not report.has_errors(), report.generate_report()
    assert not list(_unknown_members(task_definition, shape))


def _unknown_members(value: Any, shape: Any) -> Iterator[str]:
    """botocore checks the types of what it knows; what it does not know it passes over."""
    if shape.type_name == "structure":
        yield from (f"{shape.name}.{name}" for name in value if name not in shape.members)
        for name in value.keys() & shape.members.keys():
            yield from _unknown_members(value[name], shape.members[name])
    elif shape.type_name == "list":
        for item in value:
            yield from _unknown_members(item, shape.member)


def test_ecs_registers_the_task_definition(aws: botocore.session.Session, task_definition: dict[str, Any]) -> None:
    answer = aws.create_client("ecs").register_task_definition(**task_definition)
    registered = answer["taskDefinition"]
    assert registered["status"] == "ACTIVE"
    assert registered["containerDefinitions"][0]["secrets"] == [
        {"name": "FORWARDER_DATABASE_URL", "valueFrom": PLACEHOLDERS["SECRET_ARN"]}
    ]


@pytest.mark.parametrize("policy", POLICIES)
def test_iam_accepts_the_roles_and_their_policies(aws: botocore.session.Session, policy: str) -> None:
    iam = aws.create_client("iam")
    iam.create_role(RoleName="forwarder", AssumeRolePolicyDocument=json.dumps(read("trust-policy.json")))
    iam.put_role_policy(RoleName="forwarder", PolicyName="forwarder", PolicyDocument=json.dumps(read(policy)))
    kept = iam.get_role_policy(RoleName="forwarder", PolicyName="forwarder")
    assert kept["PolicyDocument"] == read(policy)


def test_the_task_may_make_exactly_the_calls_that_listen_makes() -> None:
    model = botocore.session.Session().get_service_model("kinesis")
    operations = {xform_name(name): name for name in model.operation_names}
    called = {f"kinesis:{operations[name]}" for name in methods_of_listen("self._client")}
    assert actions_of(read("task-policy.json")) == called


def test_a_task_with_attachments_may_make_exactly_the_calls_that_these_take() -> None:
    # HeadBucket has no action of its own.
    put = ("put_object", "create_multipart_upload", "upload_part", "complete_multipart_upload")
    actions = {
        **dict.fromkeys(put, "s3:PutObject"),
        "abort_multipart_upload": "s3:AbortMultipartUpload",
        "head_bucket": "s3:ListBucket",
    }
    source = (ROOT / "forwarder" / "sinks" / "claim_check.py").read_text()
    called = {actions[name] for name in re.findall(r'self\._call\("(\w+)"', source)}
    assert actions_of(read("attachments-policy.json")) == called


def test_the_task_may_write_to_one_stream_only(container: dict[str, Any]) -> None:
    sink = next(variable["value"] for variable in container["environment"] if variable["name"] == "FORWARDER_SINK")
    target = sink_url.parse(sink).target
    assert isinstance(target, sink_url.KinesisTarget)
    (statement,) = read("task-policy.json")["Statement"]
    assert statement["Resource"] == f"arn:aws:kinesis:{target.region}:123456789012:stream/{target.stream}"


@pytest.mark.parametrize(
    "placeholder",
    sorted(set(re.findall(r"\$\{(\w+)\}", "".join(p.read_text() for p in (ROOT / "deploy/ecs").iterdir())))),
)
def test_the_documented_commands_fill_every_placeholder(placeholder: str) -> None:
    commands = (ROOT / "docs" / "ecs.md").read_text()
    (filled,) = re.findall(r"envsubst '(.*?)'", commands)
    assert f"${placeholder}" in filled.split()
    assert re.search(rf"^export .*\b{placeholder}=", commands, re.MULTILINE)


def test_the_container_runs_a_command_with_settings_that_exist(container: dict[str, Any]) -> None:
    parse_command_line(container["command"])
    variables = {variable["name"]: variable["value"] for variable in container["environment"]}
    secrets = {secret["name"]: "postgresql://owner@db/app" for secret in container["secrets"]}
    settings = reader.load({**variables, **secrets})
    assert settings.log.format == "json"
    assert settings.database.url.get_secret_value()
    assert len(settings.sink) == 1


def test_the_database_url_is_a_secret(container: dict[str, Any]) -> None:
    assert [secret["name"] for secret in container["secrets"]] == ["FORWARDER_DATABASE_URL"]
    assert "FORWARDER_DATABASE_URL" not in {variable["name"] for variable in container["environment"]}


def test_the_task_has_the_image_s_user_and_health_check(container: dict[str, Any]) -> None:
    (user,) = instructions("USER")
    assert container["user"] == user
    assert container["readonlyRootFilesystem"]
    assert container["healthCheck"]["command"] == ["CMD", *health_check()]


def test_ecs_gives_listen_the_time_to_stop(container: dict[str, Any]) -> None:
    assert container["stopTimeout"] >= settings.ListenSettings().stop_timeout_seconds + 5


async def test_the_health_check_tells_a_living_listener_from_a_dead_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    program, *arguments = health_check()
    assert program == "python"
    command = [sys.executable, *(argument.replace("8080", port) for argument in arguments)]

    async with serving(bind=f"127.0.0.1:{port}"):
        alive = await anyio.run_process(command, check=False)
    dead = await anyio.run_process(command, check=False)

    assert alive.returncode == 0
    assert dead.returncode != 0
