"""The ``forwarder`` command: one module a subcommand, and one place that turns errors into a line and an exit status.

* ``main``: runs the command line that is in ``sys.argv``
* ``command_line``: the command line as typer has it, with some commands or all
* ``COMMANDS``: the names of the subcommands; each is a function in the module of its name
"""

import ast
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import get_data
from typing import Annotated, NoReturn

import typer

from forwarder import __version__
from forwarder.errors import ForwarderError

# What a shell says of a command that Ctrl-C has ended, and typer as well.
INTERRUPTED = 130

# Set by the shell that asks for completions.
COMPLETION = "_FORWARDER_COMPLETE"

# Each is a function in a module of its name.
COMMANDS = ("demo", "migrate", "listen", "replay", "sinks", "dead-letters", "local-kinesis")


def command_line(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands. Only what they need is imported: all of them take a second to start."""
    app = _empty()
    for name in names:
        function = _function(name)
        app.command(name)(getattr(import_module(f"forwarder.cli.{function}"), function))
    return app


def contents() -> typer.Typer:
    """The command line as its help lists it: the commands are named, and none is imported."""
    app = _empty()
    for name in COMMANDS:
        app.command(name, help=_summary(name))(_named)
    return app


def _empty() -> typer.Typer:
    app = typer.Typer(
        name="forwarder",
        help="Stream PostgreSQL row changes to Amazon Kinesis: at least once, in order per key, without slowing a write.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_forwarder)
    return app


def _function(name: str) -> str:
    return name.replace("-", "_")


def _summary(name: str) -> str:
    """The first paragraph of what a command says of itself, read from its source."""
    source = get_data("forwarder.cli", f"{_function(name)}.py")
    assert source is not None
    functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    texts = {function.name: ast.get_docstring(function) or "" for function in functions}
    return texts[_function(name)].partition("\n\n")[0]


def _named() -> None:
    """Stands for a command where it is only named."""


def _forwarder(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"forwarder {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; an error that a user can cause ends in one line on stderr."""
    _occupy_standard_descriptors()
    app = _wanted(sys.argv[1:])
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = app(standalone_mode=False)
        if status == INTERRUPTED:
            _fail("interrupted", INTERRUPTED)
        sys.exit(status)
    except ForwarderError as error:
        _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        if not error.format_message():
            # No arguments at all: typer has printed the help.
            sys.exit(error.exit_code)
        _fail(f"{error.format_message()} See `forwarder --help`.", error.exit_code)
    except typer.Abort:
        _fail("interrupted", INTERRUPTED)


def _wanted(arguments: Sequence[str]) -> typer.Typer:
    """The command that is called, if it can be told; else all, to suggest one."""
    if COMPLETION in os.environ:
        # A shell asks what may come next; what was typed so far is in the environment too.
        return command_line()
    if not arguments or list(arguments) in (["--help"], ["--version"]):
        return contents()
    return command_line((arguments[0],) if arguments[0] in COMMANDS else COMMANDS)


def _occupy_standard_descriptors() -> None:
    """Keep the numbers of standard streams that are closed from what is opened next: a socket would get what is printed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    # Python has none for a stream that was closed when it started.
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")


def _fail(message: str, exit_code: int) -> NoReturn:
    sys.stderr.write(f"forwarder: {' '.join(message.split())}\n")
    sys.exit(exit_code)
