"""``forwarder dead-letters``: lists, shows, retries and discards changes that could not be delivered."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from forwarder.cli.command import Command
from forwarder.cli.letter_filters import (
    CodeOption,
    Filters,
    SeqsArgument,
    SinceOption,
    SinkOption,
    TableOption,
    filters_of,
)
from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.cli.progress import Bars, Count, QuietOption
from forwarder.cli.shown_letters import ShownLetters
from forwarder.cli.terminal_text import safe
from forwarder.database.access import DatabaseAddress
from forwarder.database.sessions import Connection, session
from forwarder.errors import Misconfigured, Refused
from forwarder.records.operations import OPERATIONS
from forwarder.store import dead_letters as store
from forwarder.store.dead_letters import Letter

Act = Callable[[Connection, Sequence[Letter]], Awaitable[None]]
Work = Callable[[Connection, Filters], Awaitable[None]]

AllOption = Annotated[bool, typer.Option("--all", help="All of them, if neither a SEQ nor a filter is given.")]

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def dead_letters() -> None:
    """Show, retry or discard changes that could not be delivered.

    A change that is too large for the stream, or that the stream refuses for good, is set aside as a dead letter, so that it holds
    nothing else up. It stays until it is sent again or discarded.

    \b
    Example:
      forwarder dead-letters list
      forwarder dead-letters retry --code oversize
    """


@app.command("list", cls=Command)
def list_letters(
    seqs: SeqsArgument = None,
    *,
    sink: SinkOption = None,
    table: TableOption = None,
    code: CodeOption = None,
    since: SinceOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """List dead letters, the newest first, without their rows.

    All there are, or those that are given by SEQ; the options narrow that down.

    \b
    Example:
      forwarder dead-letters list --table 'public.*' --code oversize
    """
    _run(partial(_list, as_json=json), filters_of(seqs, sink, table, code, since), config, log_format)


@app.command("show", cls=Command)
def show(
    seqs: SeqsArgument = None,
    *,
    sink: SinkOption = None,
    table: TableOption = None,
    code: CodeOption = None,
    since: SinceOption = None,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Print dead letters with their row images, one JSON object a line.

    All there are, or those that are given by SEQ; the options narrow that down. Rows may hold what is not for everybody's eyes. Columns
    that an object mapping excludes are not shown.

    \b
    Example:
      forwarder dead-letters show --sink default
    """
    letters = ShownLetters(settings(config, log_format))
    _run(partial(_show, letters), filters_of(seqs, sink, table, code, since), config, log_format)


@app.command("retry", cls=Command)
def retry(
    seqs: SeqsArgument = None,
    *,
    sink: SinkOption = None,
    table: TableOption = None,
    code: CodeOption = None,
    since: SinceOption = None,
    every: AllOption = False,
    quiet: QuietOption = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Have dead letters sent again.

    `forwarder listen` sends them, at once if it runs, with the ids and seqs that they had. They arrive after later changes of their
    rows. What is refused again stays a dead letter.

    \b
    Example:
      forwarder dead-letters retry --code oversize
    """
    filters = _required(filters_of(seqs, sink, table, code, since), every=every)
    _run(partial(_change, act=store.retry, done="to be sent again", quiet=quiet), filters, config, log_format)


@app.command("discard", cls=Command)
def discard(
    seqs: SeqsArgument = None,
    *,
    sink: SinkOption = None,
    table: TableOption = None,
    code: CodeOption = None,
    since: SinceOption = None,
    every: AllOption = False,
    quiet: QuietOption = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Delete dead letters for ever.

    They are never delivered. To see first what that would be, give the same seqs and options to `forwarder dead-letters list`.

    \b
    Example:
      forwarder dead-letters discard --sink default --code oversize
    """
    filters = _required(filters_of(seqs, sink, table, code, since), every=every)
    _run(partial(_change, act=store.discard, done="discarded", quiet=quiet), filters, config, log_format)


def _required(filters: Filters, *, every: bool) -> Filters:
    """The filters, if there are any, or --all is given: to name nothing may be a slip."""
    if not (filters.exist or every):
        raise Misconfigured("no dead letter is named: give a SEQ or a filter, or --all")
    return filters


def _run(work: Work, filters: Filters, config: Path | None, log_format: str | None) -> None:
    url = database_url(settings(config, log_format))
    anyio.run(partial(_connected, url, work, filters), backend_options={"use_uvloop": True})


async def _connected(url: DatabaseAddress, work: Work, filters: Filters) -> None:
    async with session(url, purpose="dead-letters") as connection:
        await work(connection, filters)


async def _list(connection: Connection, filters: Filters, *, as_json: bool) -> None:
    letters = [letter async for page in filters.find(connection) for letter in page]
    _refuse_none(filters, len(letters))
    letters.sort(key=_newest, reverse=True)
    if as_json:
        for letter in letters:
            typer.echo(msgspec.json.encode(letter).decode())
        return
    if letters:
        # A name in brackets is no markup.
        Console(markup=False).print(_table(letters))
    typer.echo(f"dead letters: {len(letters)}")


async def _show(letters: ShownLetters, connection: Connection, filters: Filters) -> None:
    count = 0
    async for page in filters.find(connection):
        count += len(page)
        for letter in page:
            text = await letters.text(connection, letter)
            # Line breaks of JSON stand between tokens, where a space means the same.
            typer.echo(safe(text.replace("\n", " ")) if sys.stdout and sys.stdout.isatty() else text)
    _refuse_none(filters, count)


async def _change(connection: Connection, filters: Filters, *, act: Act, done: str, quiet: bool) -> None:
    bars, bar = Bars(quiet=quiet), Count("dead letters", unit=done)
    bars.add(bar)
    async with bars.shown():
        async for page in filters.find(connection):
            await act(connection, page)
            bar.done += len(page)
    _refuse_none(filters, bar.done)
    typer.echo(f"dead letters {done}: {bar.done}")


def _refuse_none(filters: Filters, count: int) -> None:
    if filters.exist and not count:
        raise Refused("no dead letter is like that; `forwarder dead-letters list` shows those there are")


def _newest(letter: Letter) -> tuple[datetime, int]:
    return letter.set_aside_at, letter.seq


def _table(letters: Sequence[Letter]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("seq", "sink", "table", "op", "code", "bytes", "attempts", "set aside", ""):
        table.add_column(
            heading, justify="right" if heading in ("seq", "bytes", "attempts") else "left", overflow="fold"
        )
    for letter in letters:
        table.add_row(
            str(letter.seq),
            letter.sink,
            safe(f"{letter.schema}.{letter.name}"),
            OPERATIONS[letter.op.encode()],
            safe(letter.code),
            f"{letter.record_bytes:,}",
            str(letter.attempts),
            letter.set_aside_at.strftime("%Y-%m-%d %H:%M:%S"),
            "to be sent again" if letter.retry_at else "",
        )
    return table
