"""The commands that ``forwarder ecs`` writes, and those of docs/ecs.md, are commands of AWS's CLI, and do in their order what they are for."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import Template

import pytest
from typer.testing import CliRunner

from forwarder.cli import command_line
from tests.packaging import ROOT
from tests.support import aws_cli
from tests.support.deployments import CONFIGURATIONS, Configuration
from tests.support.stack import STACK, Account, stack_account

EVERY = pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
PAGE = ROOT / "docs" / "ecs.md"
# What the CLI does by itself, without an operation of that name.
OF_THE_CLI_ALONE = ("ecr get-login-password", "ecs wait", "cloudformation deploy", "logs tail")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with stack_account(monkeypatch) as account:
        yield account


def is_of_the_cli_alone(words: list[str]) -> bool:
    return " ".join(words[:2]) in OF_THE_CLI_ALONE


@EVERY
def test_every_command_is_one_of_the_cli(configuration: Configuration, tmp_path: Path) -> None:
    for name, text in configuration.texts().items():
        (tmp_path / name).write_text(text)
    commands = [[*words] for words in aws_cli.lines((tmp_path / "commands.sh").read_text())]
    read = [aws_cli.read(words, folder=tmp_path) for words in commands if not is_of_the_cli_alone(words)]
    assert {"CreateService", "RunTask", "RegisterTaskDefinition", "PutRolePolicy"} <= {
        command.operation for command in read
    }


def test_the_commands_make_a_service_of_two_tasks(account: Account, tmp_path: Path) -> None:
    subnets, groups = tuple(account.network["SubnetIds"].split(",")), (account.security_group,)
    configuration = CONFIGURATIONS["one stream"]
    place = replace(configuration.place, subnets=subnets, security_groups=groups)
    for name, text in replace(configuration, place=place).texts().items():
        (tmp_path / name).write_text(text)
    for words in aws_cli.lines((tmp_path / "commands.sh").read_text()):
        # moto runs no task whose containers have no CPU of their own.
        if words[1] not in ("run-task", "describe-tasks") and not is_of_the_cli_alone([*words]):
            aws_cli.read(words, folder=tmp_path).run(account.session)
    service = account.service()
    assert service["desiredCount"] == 2
    assert "forwarder" in service["taskDefinition"]


def page_commands() -> list[str]:
    """The commands of the first block of the page."""
    found = re.search(r"^```bash\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return [line for line in found[1].splitlines() if line and not line.startswith("#")]


def test_the_page_has_ten_commands() -> None:
    assert len([line for line in page_commands() if not line.startswith("export ")]) == 10


def test_the_page_can_be_followed(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    variables: dict[str, str] = {}
    subnets = account.network["SubnetIds"].split(",")
    known_names = {
        "vpc-1": account.network["VpcId"],
        "subnet-1": subnets[0],
        "subnet-2": subnets[1],
        "sg-1": account.security_group,
    }
    for line in page_commands():
        filled = Template(line.replace("$(cat database-url.txt)", "postgresql://u@db/app")).safe_substitute(variables)
        for name, known in known_names.items():
            filled = filled.replace(f" {name} ", f" {known} ")
        program, *words = shlex.split(filled)
        if program == "export":
            for word in words:
                name, _, value = word.partition("=")
                variables[name] = Template(value).safe_substitute(variables)
        elif program == "forwarder":
            done = CliRunner().invoke(command_line(("ecs", "config")), words)
            assert done.exit_code == 0, done.output
        elif words[:2] == ["cloudformation", "deploy"]:
            given = _deploying(words)
            assert (ROOT / given["template-file"]).is_file()
            account.deploy(Path(given["parameter-overrides"].removeprefix("file://")), given["stack-name"])
        elif program == "aws" and not is_of_the_cli_alone(words):
            aws_cli.read(words, folder=tmp_path).run(account.session)
    assert account.service()["desiredCount"] == 2
    assert account.runner.told == [("Create", None)]
    assert account.client("sns").list_subscriptions()["Subscriptions"][0]["TopicArn"].endswith(f"{STACK}-alarms")
    assert "FORWARDER_DATABASE_URL" not in os.environ


def _deploying(words: list[str]) -> dict[str, str]:
    return {name.removeprefix("--"): value for name, value in zip(words[2::2], words[3::2], strict=True)}
