"""What `--help` prints, on a terminal of 80 columns: all of it can be read, and each example can be copied and runs."""

from __future__ import annotations

import re
import shlex

import pytest
import typer
from typer.testing import CliRunner

from forwarder.cli import command_line, contents
from tests.helps import EXAMPLES, HELPS, PATHS
from tests.packaging import parse_command_line

IDS = [" ".join(path) or "forwarder" for path in PATHS]


def printed(app: typer.Typer, *arguments: str) -> str:
    """What is printed where colours are asked for."""
    return CliRunner().invoke(app, arguments, prog_name="forwarder", env={"COLUMNS": "80", "FORCE_COLOR": "1"}).output


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_every_line_fits_on_80_columns_and_has_no_colours(path: tuple[str, ...]) -> None:
    assert all(len(line) <= 80 for line in HELPS[path].splitlines())
    assert "\x1b" not in printed(command_line(), *path, "--help")


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_every_command_has_an_example(path: tuple[str, ...]) -> None:
    assert any(example[: len(path)] == list(path) for example in EXAMPLES[path])


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_every_example_is_a_line_that_the_command_understands(path: tuple[str, ...]) -> None:
    for example in EXAMPLES[path]:
        parse_command_line(example)


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_no_summary_of_a_command_is_cut_off(path: tuple[str, ...]) -> None:
    _, _, commands = HELPS[path].partition("\nCommands:\n")
    assert "..." not in commands


def test_the_help_that_imports_no_command_is_that_of_all_commands() -> None:
    assert sorted(printed(contents(), "--help").splitlines()) == sorted(printed(command_line(), "--help").splitlines())


@pytest.mark.parametrize(
    ("path", "own", "others"),
    [
        ("sinks list", "--json", "--discard"),
        ("sinks remove", "--discard", "--json"),
        ("dead-letters list", "--json", "--all"),
        ("dead-letters show", "--code", "--json"),
        ("dead-letters retry", "--all", "--json"),
        ("dead-letters discard", "--all", "--json"),
    ],
)
def test_a_command_of_a_command_shows_its_own_options_alone(path: str, own: str, others: str) -> None:
    options = re.findall(r"^  (--\S+)", HELPS[tuple(shlex.split(path))], re.MULTILINE)
    assert own in options
    assert others not in options
