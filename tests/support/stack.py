"""The CloudFormation stack in an account that moto plays, and the function of the stack that runs the migration."""

from __future__ import annotations

import json
import sys
import warnings
from ast import literal_eval
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch
from zipfile import ZipFile

import botocore.session
import pytest
from botocore.stub import Stubber
from moto import mock_aws
from moto.awslambda.utils import get_backend
from moto.cloudformation import parsing
from moto.cloudformation.custom_model import CustomModel
from moto.ecs.models import TaskDefinition

from tests.packaging import ROOT
from tests.support.deployments import REGION, Configuration

TEMPLATE = ROOT / "deploy" / "cloudformation" / "forwarder.yaml"
STACK = "forwarder"


@dataclass
class Runner:
    """Plays Lambda and ECS for the function that runs the migration: its code runs here."""

    # How the next migrations end.
    exit_code: int = 0
    # What each call of the function has told CloudFormation: its kind, and why it has failed, if so.
    told: list[tuple[str, str | None]] = field(default_factory=list)
    # The parameters of each RunTask.
    ran: list[Mapping[str, Any]] = field(default_factory=list)

    def run(self, code: str, event: Mapping[str, Any]) -> None:
        answering: Any = ModuleType("cfnresponse")
        answering.SUCCESS, answering.FAILED = "SUCCESS", "FAILED"
        calling: Any = ModuleType("boto3")
        calling.client = self._client

        def send(event: Any, context: object, status: str, data: object, name: str, *, reason: str | None) -> None:
            assert (status == "FAILED") == bool(reason)
            self.told.append((event["RequestType"], reason))

        answering.send = send
        module: dict[str, Any] = {}
        with patch.dict(sys.modules, {"cfnresponse": answering, "boto3": calling}):
            exec(compile(code, "index.py", "exec"), module)  # noqa: S102
            module["handler"](event, None)

    def _client(self, service: str) -> Any:
        client = botocore.session.Session().create_client(service, region_name=REGION)
        client.meta.events.register("provide-client-params.ecs.RunTask", lambda params, **_: self.ran.append(params))
        task = {"taskArn": "arn:task", "lastStatus": "STOPPED", "containers": [{"exitCode": self.exit_code}]}
        stubber = Stubber(client)
        stubber.add_response("run_task", {"tasks": [task], "failures": []})
        # The waiter asks, and then the function does.
        for _ in range(2):
            stubber.add_response("describe_tasks", {"tasks": [{**task, "stoppedReason": "it ended"}]})
        stubber.activate()
        return client


class _Migration(CustomModel):
    """The custom resource of the stack."""

    properties: Mapping[str, Any]

    @classmethod
    def made(
        cls,
        runner: Runner,
        kind: str,
        properties: Mapping[str, Any],
        account: str,
        region: str,
        before: Mapping[str, Any] | None = None,
    ) -> _Migration:
        function = get_backend(account, region).get_function(properties["ServiceToken"])
        with ZipFile(BytesIO(b64decode(function.code["ZipFile"]))) as files:
            code = files.read("index.py").decode()
        runner.run(code, {"RequestType": kind, "ResourceProperties": properties, "OldResourceProperties": before})
        migration = cls(region, "request", "Migration", "migration")
        migration.properties = properties
        migration.set_data({})
        return migration


@dataclass(frozen=True)
class Account:
    """An account of AWS, as moto plays it, with a network."""

    session: botocore.session.Session
    runner: Runner
    network: Mapping[str, str]

    def client(self, service: str) -> Any:
        return self.session.create_client(service)

    @property
    def security_group(self) -> str:
        """One that is there."""
        return str(self.client("ec2").describe_security_groups()["SecurityGroups"][0]["GroupId"])

    def parameters(self, configuration: Configuration, **others: str) -> Sequence[Mapping[str, str]]:
        given = {
            item["ParameterKey"]: item["ParameterValue"] for item in configuration.document("stack-parameters.json")
        }
        given |= {**self.network, **others}
        return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]

    def create(self, configuration: Configuration, **others: str) -> None:
        self._create(STACK, self.parameters(configuration, **others))

    def deploy(self, parameters: Path, stack: str) -> None:
        """Do what ``aws cloudformation deploy`` does with a file of parameters, for a stack that is not there yet."""
        self._create(stack, json.loads(parameters.read_text()))

    def _create(self, stack: str, parameters: Sequence[Mapping[str, str]]) -> None:
        self.client("cloudformation").create_stack(
            StackName=stack,
            TemplateBody=TEMPLATE.read_text(),
            Parameters=parameters,
            Capabilities=["CAPABILITY_IAM"],
        )

    def resources(self) -> Mapping[str, str]:
        """What the stack has made: physical names by logical ones."""
        found = self.client("cloudformation").list_stack_resources(StackName=STACK)["StackResourceSummaries"]
        return {resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "") for resource in found}

    def service(self) -> Mapping[str, Any]:
        ecs = self.client("ecs")
        (arn,) = ecs.list_services(cluster=STACK)["serviceArns"]
        (found,) = ecs.describe_services(cluster=STACK, services=[arn])["services"]
        assert isinstance(found, dict)
        return found

    def container(self, family: str) -> Mapping[str, Any]:
        """The only container of a definition, or of the newest one of a family."""
        definition = self.client("ecs").describe_task_definition(taskDefinition=family)["taskDefinition"]
        (container,) = definition["containerDefinitions"]
        return dict(container)

    def policy(self, role: str) -> Any:
        """The only policy of a role of the stack."""
        iam, name = self.client("iam"), self.resources()[role]
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        # moto keeps what a role has in itself as Python writes it.
        return literal_eval(document) if isinstance(document, str) else document


@contextmanager
def stack_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account with a network and no stack."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    runner = Runner()

    def create(
        cls: type[CustomModel],
        /,
        resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
        **stack: str,
    ) -> CustomModel:
        return _Migration.made(runner, "Create", cloudformation_json["Properties"], account_id, region_name)

    def update(
        cls: type[CustomModel],
        /,
        original_resource: _Migration,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> CustomModel:
        properties = cloudformation_json["Properties"]
        return _Migration.made(
            runner, "Update", properties, account_id, region_name, before=original_resource.properties
        )

    def define_anew(
        cls: type[TaskDefinition], /, original_resource: object, new_resource_name: str, **given: Any
    ) -> Any:
        """A new revision as the first one was made; moto's own has no container that it knows."""
        return cls.create_from_cloudformation_json(new_resource_name, **given)

    plainly = parsing.clean_json

    def clean(given: Any, resources: Any) -> Any:
        """AWS leaves out of a list what is AWS::NoValue; moto leaves None there."""
        cleaned = plainly(given, resources)
        return [item for item in cleaned if item is not None] if isinstance(given, list) else cleaned

    directly = parsing.ResourceMap.build_resource_diff

    def differences(resources: Any, template: Any, parameters: Any = None) -> Any:
        """AWS also updates what refers to something that has become another; moto stops at what refers to a parameter."""
        found = directly(resources, template, parameters)
        for name, resource in template["Resources"].items():
            referred = parsing.get_references_from_template(resource)
            if name not in found["Modify"] and any(other in referred for other in found["Modify"]):
                found["Modify"].append(name)
        return found

    monkeypatch.setattr(TaskDefinition, "update_from_cloudformation_json", classmethod(define_anew))
    monkeypatch.setattr(parsing, "clean_json", clean)
    monkeypatch.setattr(parsing.ResourceMap, "build_resource_diff", differences)
    monkeypatch.setattr(CustomModel, "create_from_cloudformation_json", classmethod(create))
    monkeypatch.setattr(CustomModel, "update_from_cloudformation_json", classmethod(update), raising=False)
    with mock_aws(config={"lambda": {"use_docker": False}}), warnings.catch_warnings():
        # It passes over what cfn-lint has checked: alarms.
        warnings.filterwarnings("ignore", message="Tried to parse AWS::CloudWatch::Alarm")
        session = botocore.session.Session()
        ec2 = session.create_client("ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"][:2]]
        yield Account(session, runner, {"VpcId": vpc, "SubnetIds": ",".join(subnets)})
