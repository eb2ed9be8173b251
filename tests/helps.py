"""The help of every command, as it is printed on a terminal of 80 columns, and the examples in it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import typer.main
from typer.core import TyperGroup
from typer.testing import CliRunner

from forwarder.cli import command_line


def _paths(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from _paths(inner, (*path, name))


def _help(path: tuple[str, ...]) -> str:
    told = CliRunner().invoke(command_line(), [*path, "--help"], prog_name="forwarder", env={"COLUMNS": "80"})
    assert told.exit_code == 0
    return told.output


# The words that name each command: (), ("listen",), ("sinks",), ("sinks", "list") and so on.
PATHS = list(_paths(typer.main.get_command(command_line())))
HELPS = {path: _help(path) for path in PATHS}
# The arguments that follow `forwarder` in each example.
EXAMPLES = {
    path: [shlex.split(line) for line in re.findall(r"^    forwarder (.*)$", text, re.MULTILINE)]
    for path, text in HELPS.items()
}
