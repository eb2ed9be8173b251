"""``forwarder dead-letters``: changes that could not be delivered."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

import anyio
import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from forwarder.capture.catalog import read_named
from forwarder.capture.selection import Pattern
from forwarder.cli.options import SEQS, ConfigOption, LogFormatOption, database_url, seq_of, settings
from forwarder.database.sessions import Connection, session
from forwarder.errors import Misconfigured, Refused
from forwarder.store import dead_letters as store
from forwarder.store.dead_letters import Letter

_OPERATIONS = {"I": "insert", "U": "update", "D": "delete", "T": "truncate", "G": "gap"}

Action = Literal["list", "show", "retry", "discard"]

_DONE = {"retry": "to be sent again", "discard": "discarded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which letters are meant; what is None lets all pass."""

    seqs: Sequence[int]
    sink: str | None
    table: str | None
    code: str | None
    since: datetime | None

    @property
    def exist(self) -> bool:
        """Whether there is any."""
        return any((self.seqs, self.sink, self.table, self.code, self.since))

    async def find(self, connection: Connection) -> AsyncIterator[Sequence[Letter]]:
        """The letters that pass, by sink and seq, in pages."""
        since = self.since and self.since.replace(tzinfo=UTC)
        tables = await read_named(connection, [Pattern(self.table)]) if self.table else None
        found = store.find(
            connection, sink=self.sink, seqs=self.seqs or None, code=self.code, since=since, tables=tables
        )
        async for page in found:
            yield page


def dead_letters(
    action: Annotated[Action, typer.Argument(help="What to do with those that the filters leave.")],
    seq: Annotated[list[str] | None, typer.Argument(metavar="[SEQ]…", help="These alone.", show_default=False)] = None,
    sink: Annotated[str | None, typer.Option(help="Of this sink.", show_default=False)] = None,
    table: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Of these tables, such as sales.*", show_default=False)
    ] = None,
    code: Annotated[
        str | None, typer.Option(help="With this code: oversize, or the stream's own word.", show_default=False)
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(help="Set aside since then (UTC).", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], show_default=False),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Retry or discard all; without a filter it has to be said.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="List them as one JSON object a line.")] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Look at changes that could not be delivered, have them sent again, or give them up.

    A change that is too large for the stream, or that the stream refuses for good, is set aside so that it holds nothing else
    up. **show** prints row images. **retry** has `forwarder listen` send it again, with the id and the seq that it had; it
    arrives after later changes of its row. **discard** deletes it for ever.

    Example: `forwarder dead-letters retry --code oversize`
    """
    filters = Filters(seqs=[_seq(text) for text in seq or ()], sink=sink, table=table, code=code, since=since)
    if action in ("retry", "discard") and not (filters.exist or every):
        raise Misconfigured("no dead letter is named: give a SEQ or a filter, or --all")
    url = database_url(settings(config, log_format))
    anyio.run(partial(_run, url, action, filters, as_json=json), backend_options={"use_uvloop": True})


def _seq(text: str) -> int:
    seq = seq_of(text)
    if seq is None:
        raise Misconfigured(f"{text!r} is not the number of a change: {SEQS}")
    return seq


async def _run(url: str, action: Action, filters: Filters, *, as_json: bool) -> None:
    async with session(url, purpose="dead-letters") as connection:
        if action == "list":
            letters = [letter async for page in filters.find(connection) for letter in page]
            _refuse_none(filters, len(letters))
            _list(sorted(letters, key=_newest, reverse=True), as_json=as_json)
            return
        count = 0
        # A page at a time: there may be millions.
        async for page in filters.find(connection):
            count += len(page)
            await _act(connection, action, page)
        _refuse_none(filters, count)
        if action != "show":
            typer.echo(f"dead letters {_DONE[action]}: {count}")


async def _act(connection: Connection, action: Action, letters: Sequence[Letter]) -> None:
    match action:
        case "retry":
            await store.retry(connection, letters)
        case "discard":
            await store.discard(connection, letters)
        case _:
            for letter in letters:
                typer.echo(await store.read(connection, letter))


def _refuse_none(filters: Filters, count: int) -> None:
    if filters.exist and not count:
        raise Refused("no dead letter is like that; `forwarder dead-letters list` shows those there are")


def _newest(letter: Letter) -> tuple[datetime, int]:
    return letter.set_aside_at, letter.seq


def _list(letters: Sequence[Letter], *, as_json: bool) -> None:
    if as_json:
        for letter in letters:
            typer.echo(msgspec.json.encode(letter).decode())
        return
    if letters:
        Console().print(_table(letters))
    typer.echo(f"dead letters: {len(letters)}")


def _table(letters: Sequence[Letter]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("seq", "sink", "table", "op", "code", "bytes", "attempts", "set aside", ""):
        table.add_column(heading, justify="right" if heading in ("seq", "bytes", "attempts") else "left")
    for letter in letters:
        table.add_row(
            str(letter.seq),
            letter.sink,
            f"{letter.schema}.{letter.name}",
            _OPERATIONS[letter.op],
            letter.code,
            f"{letter.record_bytes:,}",
            str(letter.attempts),
            letter.set_aside_at.strftime("%Y-%m-%d %H:%M:%S"),
            "to be sent again" if letter.retry_at else "",
        )
    return table
