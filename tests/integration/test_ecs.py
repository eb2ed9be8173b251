"""What ``forwarder ecs`` writes is what AWS accepts, and says of the program what is true of it."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import botocore.session
import grimp
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator
from moto import mock_aws

from forwarder.config import reader, settings
from forwarder.deployment import calls
from tests.packaging import ROOT, health_check, instructions, parse_command_line
from tests.serving import serving
from tests.support.deployments import CONFIGURATIONS, PASSWORD, REGION, Configuration

EVERY = pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
TOKEN = "0123456789abcdef"
DEFINITIONS = ("task-definition.json", "migration-definition.json")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[botocore.session.Session]:
    """AWS as moto plays it, within this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield botocore.session.Session()


def container_of(configuration: Configuration, definition: str = "task-definition.json") -> dict[str, Any]:
    (only,) = configuration.document(definition)["containerDefinitions"]
    assert isinstance(only, dict)
    return only


def input_shape(service: str, operation: str) -> Any:
    return botocore.session.Session().get_service_model(service).operation_model(operation).input_shape


def methods_of_listen(client: str) -> set[str]:
    """The methods that any module of the service calls on this client of AWS."""
    modules = grimp.build_graph("forwarder", cache_dir=None).find_upstream_modules("forwarder.listen.service")
    sources = {module: ROOT.joinpath(*module.split(".")).with_suffix(".py") for module in modules}
    texts = {module: path.read_text() for module, path in sources.items() if path.is_file()}
    assert sorted(module for module, text in texts.items() if "create_client(" in text) == [
        "forwarder.aws.kinesis_client",
        "forwarder.aws.secrets",
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


@EVERY
@pytest.mark.parametrize("definition", DEFINITIONS)
def test_ecs_knows_all_of_a_task_definition_and_registers_it(
    aws: botocore.session.Session, configuration: Configuration, definition: str
) -> None:
    document, shape = configuration.document(definition), input_shape("ecs", "RegisterTaskDefinition")
    report = ParamValidator().validate(document, shape)
    assert not report.has_errors(), report.generate_report()
    assert not list(_unknown_members(document, shape))
    registered = aws.create_client("ecs").register_task_definition(**document)["taskDefinition"]
    assert registered["status"] == "ACTIVE"
    assert registered["containerDefinitions"][0]["secrets"] == document["containerDefinitions"][0]["secrets"]


def _unknown_members(value: Any, shape: Any) -> Iterator[str]:
    """botocore checks the types of what it knows; what it does not know it passes over."""
    if shape.type_name == "structure":
        yield from (f"{shape.name}.{name}" for name in value if name not in shape.members)
        for name in value.keys() & shape.members.keys():
            yield from _unknown_members(value[name], shape.members[name])
    elif shape.type_name == "list":
        for item in value:
            yield from _unknown_members(item, shape.member)


@EVERY
def test_iam_accepts_the_roles_and_their_policies(aws: botocore.session.Session, configuration: Configuration) -> None:
    iam, texts = aws.create_client("iam"), configuration.texts()
    for name in (name for name in texts if name.endswith(("trust-policy.json", "-trust.json"))):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=texts[name])
    for name in (name for name in texts if name.endswith("-policy.json") and name != "trust-policy.json"):
        iam.put_role_policy(RoleName="trust-policy.json", PolicyName=name, PolicyDocument=texts[name])
        kept = iam.get_role_policy(RoleName="trust-policy.json", PolicyName=name)
        assert kept["PolicyDocument"] == json.loads(texts[name])


def test_the_actions_on_a_stream_are_those_of_the_calls_that_listen_makes() -> None:
    model = botocore.session.Session().get_service_model("kinesis")
    operations = {xform_name(name): name for name in model.operation_names}
    assert set(calls.STREAM) == {f"kinesis:{operations[name]}" for name in methods_of_listen("self._client")}


def test_the_action_on_a_secret_is_that_of_the_call_that_reads_it() -> None:
    model = botocore.session.Session().get_service_model("secretsmanager")
    operations = {xform_name(name): name for name in model.operation_names}
    called = methods_of_listen("client") & operations.keys()
    assert set(calls.SECRET) == {f"secretsmanager:{operations[name]}" for name in called}


def test_the_actions_on_a_bucket_are_those_of_the_calls_that_attachments_take() -> None:
    # HeadBucket has no action of its own.
    put = ("put_object", "create_multipart_upload", "upload_part", "complete_multipart_upload")
    actions = {
        **dict.fromkeys(put, "s3:PutObject"),
        "abort_multipart_upload": "s3:AbortMultipartUpload",
        "head_bucket": "s3:ListBucket",
    }
    source = (ROOT / "forwarder" / "sinks" / "claim_check.py").read_text()
    called = {actions[name] for name in re.findall(r'self\._call\("(\w+)"', source)}
    assert {*calls.OBJECTS, *calls.BUCKET} == called


@EVERY
@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_container_runs_a_command_with_settings_that_exist(configuration: Configuration, definition: str) -> None:
    container = container_of(configuration, definition)
    parse_command_line(container["command"])
    variables = {variable["name"]: variable["value"] for variable in container["environment"]}
    secrets = {secret["name"]: "postgresql://owner@db/application" for secret in container["secrets"]}
    given = reader.load({**variables, **secrets})
    assert given.log.format == "json"
    assert given.metrics.emf == (container["command"] == ["listen"])
    assert given.database.url.get_secret_value() or given.database.auth == "secrets-manager"


@EVERY
def test_no_secret_is_in_any_file(configuration: Configuration) -> None:
    token = configuration.loaded.http.token.get_secret_value()
    for text in configuration.texts().values():
        assert PASSWORD not in text
        assert not token or token not in text


@EVERY
def test_the_task_has_the_image_s_user_and_health_check_and_time_to_stop(configuration: Configuration) -> None:
    container = container_of(configuration)
    (user,) = instructions("USER")
    assert container["user"] == user
    assert container["readonlyRootFilesystem"]
    assert container["healthCheck"]["command"] == ["CMD", *health_check()]
    assert container["stopTimeout"] >= settings.ListenSettings().stop_timeout_seconds + 5


async def test_the_health_check_tells_a_living_listener_from_a_dead_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    bind = ["127.0.0.1:0", f"127.0.0.1:{port}"]
    (tmp_path / "forwarder.toml").write_text(f'[http]\nbind = {json.dumps(bind)}\ntoken = "{TOKEN}"\n')
    # A proxy that is not there: nobody asks it.
    plain = {"PATH": os.environ["PATH"], "http_proxy": "http://127.0.0.1:9"}
    checks = [(health_check(), plain), (health_check(), plain | {"FORWARDER_HTTP_BIND": f"*:{port}"})]

    async def told() -> list[int]:
        runs = []
        for (program, *arguments), environment in checks:
            assert program == "python"
            command = [sys.executable, *arguments]
            runs.append(await anyio.run_process(command, check=False, env=environment, cwd=tmp_path))
        return [run.returncode for run in runs]

    async with serving(bind=bind, token=TOKEN):
        assert await told() == [0, 0]
    assert await told() == [1, 1]
    # Without a server there is nothing to ask.
    checks = [(health_check(), plain | {"FORWARDER_HTTP_BIND": ""})]
    assert await told() == [0]
