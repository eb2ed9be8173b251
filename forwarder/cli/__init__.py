"""The ``forwarder`` command: one module a subcommand, and one place that turns errors into a line and an exit status."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from forwarder import __version__
from forwarder.cli.dead_letters import dead_letters
from forwarder.cli.demo import demo
from forwarder.cli.listen import listen
from forwarder.cli.local_kinesis import local_kinesis
from forwarder.cli.migrate import migrate
from forwarder.cli.replay import replay
from forwarder.cli.sinks import sinks
from forwarder.errors import ForwarderError

# What a shell says of a command that Ctrl-C has ended, and typer as well.
INTERRUPTED = 130

app = typer.Typer(
    name="forwarder",
    help="Stream PostgreSQL row changes to Amazon Kinesis: at least once, in order per key, without slowing a write.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _forwarder(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"forwarder {__version__}")
        raise typer.Exit


app.command("demo")(demo)
app.command("migrate")(migrate)
app.command("listen")(listen)
app.command("replay")(replay)
app.command("sinks")(sinks)
app.command("dead-letters")(dead_letters)
app.command("local-kinesis")(local_kinesis)


def main() -> None:
    """Run the command line; an error that a user can cause ends in one line on stderr."""
    _occupy_standard_descriptors()
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
