"""Which dead letters a command is about: the argument and the options of `forwarder dead-letters list`, `show`, `retry` and `discard`."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from forwarder.capture.catalog import read_named
from forwarder.capture.selection import Pattern
from forwarder.cli.options import SEQS, TIMES, seq_of, time_of
from forwarder.database.sessions import Connection
from forwarder.errors import Misconfigured
from forwarder.store import dead_letters
from forwarder.store.dead_letters import Letter

SeqsArgument = Annotated[list[str] | None, typer.Argument(metavar="SEQ", hidden=True)]
SinkOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this sink.", show_default=False)]
TableOption = Annotated[
    str | None, typer.Option(metavar="PATTERN", help="Only those of these tables: orders, sales.*", show_default=False)
]
CodeOption = Annotated[
    str | None,
    typer.Option(
        metavar="CODE", help="Only those with this code: oversize, or the stream's own word.", show_default=False
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only those set aside since then: 2026-01-31T12:00:00Z; UTC if it names no zone.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which letters are meant: those that pass all of these. What is empty or None lets all pass."""

    seqs: Sequence[int]
    sink: str | None
    table: str | None
    code: str | None
    since: datetime | None

    @property
    def exist(self) -> bool:
        """Whether anything at all is named."""
        return any((self.seqs, self.sink, self.table, self.code, self.since))

    async def find(self, connection: Connection) -> AsyncIterator[Sequence[Letter]]:
        """The letters that pass, by sink and seq, in pages: there may be millions."""
        tables = await read_named(connection, [Pattern(self.table)]) if self.table else None
        found = dead_letters.find(
            connection, sink=self.sink, seqs=self.seqs or None, code=self.code, since=self.since, tables=tables
        )
        async for page in found:
            yield page


def filters_of(
    seqs: Sequence[str] | None, sink: str | None, table: str | None, code: str | None, since: str | None
) -> Filters:
    """What was typed, understood.

    Raises:
        Misconfigured: one of the seqs is none, or the time.
    """
    return Filters(
        seqs=[_seq(text) for text in seqs or ()],
        sink=sink,
        table=table,
        code=code,
        since=None if since is None else _time(since),
    )


def _seq(text: str) -> int:
    seq = seq_of(text)
    if seq is None:
        raise Misconfigured(f"{text!r} is not the number of a change: {SEQS}")
    return seq


def _time(text: str) -> datetime:
    time = time_of(text)
    if time is None:
        raise Misconfigured(f"--since {text!r} is not {TIMES}")
    return time
