"""The ``forwarder`` command line: which commands there are, and the one place that turns an error into a line and an exit status.

A command is a function in a module of its name. To import all of these modules takes a second, so only what is called is imported:

    forwarder --help                  no command: their summaries are read from the source
    forwarder listen --once           forwarder.cli.listen
    forwarder sinks remove --help     forwarder.cli.sinks
    forwarder sinks re<TAB>           forwarder.cli.sinks; the shell hands over the words in a variable
    forwarder lissen                  no command: that "listen" is meant is told by its name
"""

import ast
import errno
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile
from pkgutil import get_data
from typing import Annotated, NoReturn

import typer

from forwarder import __version__
from forwarder.cli.command import Command
from forwarder.cli.terminal_text import safe
from forwarder.errors import ForwarderError

# What a shell says of a command that Ctrl-C has ended, and typer as well.
INTERRUPTED = 130

# Set by the shell that asks for completions. It has what is typed so far in the first of these that is set: bash, other shells.
COMPLETION = "_FORWARDER_COMPLETE"
TYPED = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")

# What may be wrong with the file that standard output leads to. For files of their own commands have errors of their own.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

COMMANDS = (
    "demo",
    "migrate",
    "check",
    "listen",
    "status",
    "load",
    "replay",
    "sinks",
    "dead-letters",
    "tail",
    "verify",
    "import-dms",
    "config",
    "ecs",
    "local-kinesis",
)

# Commands that have commands of their own, which the typer ``app`` of their module knows. The function of their name does nothing; its
# docstring is their help.
GROUPS = frozenset({"sinks", "dead-letters", "config"})


def command_line(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands, whose modules are imported."""
    app = _empty()
    for name in names:
        module = import_module(f"forwarder.cli.{_function(name)}")
        if name in GROUPS:
            app.add_typer(module.app, name=name)
        else:
            app.command(name, cls=Command)(getattr(module, _function(name)))
    return app


def contents() -> typer.Typer:
    """The command line as its help lists it: every command is named, and none is imported."""
    app = _empty()
    for name in COMMANDS:
        app.command(name, help=_summary(name))(_named)
    return app


def _empty() -> typer.Typer:
    # Without rich markup, help is text that can be copied: an example stays on its line, at 80 columns too, and has no colours.
    app = typer.Typer(name="forwarder", rich_markup_mode=None, pretty_exceptions_enable=False)
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
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Stream PostgreSQL row changes to Amazon Kinesis: at least once, in order per key, without slowing a write.

    Settings are read from forwarder.toml (or --config FILE), then from variables FORWARDER_*, then from flags; the last one wins.
    Exit status: 0 done; 1 refused, or --check has found something to do; 2 wrong usage or settings.

    \b
    Example, on this machine alone:
      forwarder demo

    \b
    Example, in earnest:
      export FORWARDER_DATABASE_URL=postgresql://app_owner@db.internal/app
      forwarder migrate --table 'public.*'
      forwarder listen --sink 'kinesis://changes?region=eu-west-1'
    """
    if version:
        typer.echo(f"forwarder {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


def main() -> None:
    """Run the command line; an error that a user can cause ends in one line on stderr."""
    _occupy_standard_descriptors()
    app = _wanted(sys.argv[1:])
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = app(standalone_mode=False, prog_name="forwarder")
        if status == INTERRUPTED:
            _fail("interrupted", INTERRUPTED)
        if unwritten := _unwritten():
            _fail(unwritten, 1)
        sys.exit(status)
    except ForwarderError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        _unwritten()
        sys.exit(0)
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            _fail(_cannot_write(error), 1)
        raise
    except typer.TyperException as error:
        _fail(_with_remedy(error, sys.argv[1:]), error.exit_code)
    except typer.Abort:
        _fail("interrupted", INTERRUPTED)


def _with_remedy(error: typer.TyperException, arguments: Sequence[str]) -> str:
    """What is wrong with the words of a command line, and where to read what is right."""
    message = error.format_message()
    stop = "" if message.endswith((".", "?")) else "."
    context: typer.Context | None = getattr(error, "ctx", None)
    command = context.command_path if context else _called(arguments)
    return f"{message}{stop} See `{command} --help`."


def _called(arguments: Sequence[str]) -> str:
    """The command that the arguments begin with: ``forwarder sinks remove`` of ``sinks remove --config``."""
    words = list(takewhile(lambda argument: not argument.startswith("-"), arguments))
    return " ".join(("forwarder", *words[: 2 if words and words[0] in GROUPS else 1]))


def _wanted(arguments: Sequence[str]) -> typer.Typer:
    """The command that is called, alone, if the arguments name one; else what there is to call."""
    if COMPLETION in os.environ:
        typed = next((os.environ[name] for name in TYPED if name in os.environ), "")
        arguments = typed.split()[1:]
    if not arguments or arguments[0] in ("--help", "--version"):
        return contents()
    name = next((argument for argument in arguments if not argument.startswith("-")), "")
    return command_line((name,)) if name in COMMANDS else contents()


def _occupy_standard_descriptors() -> None:
    """Keep the numbers of standard streams that are closed from what is opened next: a socket would get what is printed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    # Python has none for a stream that was closed when it started.
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")


def _unwritten() -> str | None:
    """Write out what was printed; if that is not possible, why. It is dropped then, since Python would fail on it once more at its end."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError as error:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        # That nobody reads on is no error: `forwarder status | head -1`.
        return None if isinstance(error, BrokenPipeError) else _cannot_write(error)
    return None


def _cannot_write(error: OSError) -> str:
    return f"cannot write to standard output: {error.strerror}"


def _fail(message: str, exit_code: int) -> NoReturn:
    _unwritten()
    sys.stderr.write(f"forwarder: {safe(' '.join(message.split()))}\n")
    sys.exit(exit_code)
