"""How the program is packaged, as its files say: the image's instructions, and the command lines that others give it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import typer.main

from forwarder.cli import command_line

ROOT = Path(__file__).parents[1]


def dockerfile_lines() -> list[str]:
    """The Dockerfile's instructions in their order, each as one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    return [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line]


def instructions(keyword: str) -> list[str]:
    """The Dockerfile's instructions of one kind, each as one line without its keyword."""
    return [line.removeprefix(f"{keyword} ") for line in dockerfile_lines() if line.startswith(f"{keyword} ")]


def health_check() -> list[str]:
    """The command of the image's health check."""
    (instruction,) = instructions("HEALTHCHECK")
    command: list[str] = json.loads(instruction.partition(" CMD ")[2])
    return command


def parse_command_line(arguments: list[str]) -> None:
    """Read the arguments as ``forwarder`` would, and run nothing; a usage error is raised."""
    command = typer.main.get_command(command_line())
    while isinstance(command, typer.core.TyperGroup):
        name, *arguments = arguments
        command = command.commands[name]
    command.make_context("forwarder", arguments)
