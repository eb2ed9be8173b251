"""The words of ``forwarder status``: for whoever reads them at three in the morning on a terminal of 80 columns."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from textwrap import wrap
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from forwarder.cli.terminal_text import safe
from forwarder.quantities import duration, size
from forwarder.status import document as shown
from forwarder.status.document import Document, Process, Sink, Trouble

# So many tables are shown, if not all are asked for: first those that are not well, then those with the newest changes.
MOST_TABLES = 20
# So many shards that throttle are named.
_MOST_SHARDS = 3
_STYLES = {"delivering": "green", "captured": "green", "stuck": "bold red", "unled": "bold red", "drifted": "bold red"}
# Columns that are shown even if there is nothing in them.
_ALWAYS = ("inserts", "updates", "deletes")
_SEVERITY = ("drifted", "paused", "gap", "loading", "captured", "removed")


class Screen:
    """Where a document is shown."""

    def __init__(self, *, shows_all: bool, is_renewed: bool) -> None:
        """``shows_all``: all tables; ``is_renewed``: in place of what was shown before."""
        self._shows_all = shows_all
        self._is_renewed = is_renewed
        self._console = Console(file=sys.stdout, highlight=False)

    def show(self, document: Document) -> None:
        """Show it."""
        if self._is_renewed:
            self._console.clear()
        for part in parts(document, width=self._console.width, shows_all=self._shows_all):
            self._console.print(part)


def parts(document: Document, *, width: int, shows_all: bool) -> Iterator[RenderableType]:
    """What is shown, from above, on so many columns."""
    for part in _parts(document, shows_all=shows_all):
        yield part.wrapped(width) if isinstance(part, _Line) else part


def _parts(document: Document, *, shows_all: bool) -> Iterator[_Line | Table]:
    word, style = ("WELL", "bold green") if document.is_well else ("NOT WELL", "bold red")
    yield _Line(f"{word}  ", document.summary, style)
    if document.remedy:
        yield _Line("  -> ", document.remedy)
    yield from _sinks(document)
    yield from _below(document)
    yield from _loads(document)
    yield from _tables(document, shows_all=shows_all)
    for warning in document.warnings:
        if warning.text != document.summary:
            yield from _warning(warning)


class _Line(NamedTuple):
    """A sentence, whose further lines begin below where it begins itself."""

    lead: str
    text: str
    style: str = ""

    def wrapped(self, width: int) -> Text:
        """It on so many columns."""
        lead = safe(self.lead)
        indent = " " * min(len(lead), 10)
        lines = wrap(safe(self.text), width=max(width, 40), initial_indent=lead, subsequent_indent=indent)
        first, *more = lines or [lead]
        return Text.assemble((first[: len(lead)], self.style), "\n".join([first[len(lead) :], *more]))


def _warning(warning: Trouble) -> Iterator[_Line]:
    style = "bold red" if warning.is_urgent else "yellow"
    yield _Line("urgent: " if warning.is_urgent else "warning: ", warning.text, style)
    if warning.remedy:
        yield _Line("  -> ", warning.remedy)


def _sinks(document: Document) -> Iterator[_Line | Table]:
    if not document.sinks:
        return
    table = _table(("sink", "state"), ("waiting", "oldest", "in/s", "out/s", "left", "dead"))
    for sink in document.sinks:
        live = sink.live
        table.add_row(
            Text(safe(sink.name)),
            Text(sink.state, style=_STYLES.get(sink.state, "yellow")),
            _count(sink.lag_events),
            _span(sink.lag_seconds),
            _rate(live.captured_per_second if live else None),
            _rate(live.delivered_per_second if live else None),
            _span(sink.seconds_left),
            _count(sink.dead_letters),
        )
    yield table
    for sink in document.sinks:
        yield _Line(f"{sink.name}: ", "; ".join(_said(sink)))
        if sink.trouble and sink.trouble.text != document.summary:
            yield from _warning(sink.trouble)


def _said(sink: Sink) -> Iterator[str]:
    yield f"to {sink.target or 'an unknown target'}"
    if sink.leader:
        yield f"led by {_who(sink.leader)}"
    live = sink.live
    if live is None:
        return
    yield f"{live.requests_per_second:,.1f} requests/s, {live.in_flight} under way"
    if live.request_p99_ms is not None:
        yield f"half of them within {_milliseconds(live.request_p50_ms)}, 99 % within {_milliseconds(live.request_p99_ms)}"
    if live.latency_p99_ms is not None:
        yield f"from commit to stream {_milliseconds(live.latency_p50_ms)} and {_milliseconds(live.latency_p99_ms)}"
    if live.memory_records:
        yield f"{live.memory_records:,} records in memory ({size(live.memory_bytes)})"
    throttled = sorted((shard for shard in live.shards if shard.throttles), key=lambda shard: -shard.throttles)
    if throttled:
        named = ", ".join(f"{shard.name} {shard.throttles:,} times" for shard in throttled[:_MOST_SHARDS])
        yield f"throttled in the last minute: {named}" + (" and others" if throttled[_MOST_SHARDS:] else "")


def _who(process: Process) -> str:
    return f"{process.host} (pid {process.pid}, forwarder {process.version})"


def _below(document: Document) -> Iterator[_Line]:
    for process in document.standbys:
        yield _Line("standby: ", f"{_who(process)} for {', '.join(process.stands_by)}")
    if outbox := document.outbox:
        full = sum(leaf.state != "empty" for leaf in outbox.leaves)
        said = [f"{size(outbox.bytes)}, {full} of {len(outbox.leaves)} leaves in use"]
        if outbox.history_since:
            said.append(f"history since {_moment(outbox.history_since)} ({_ago(document.at, outbox.history_since)})")
        yield _Line("outbox: ", "; ".join(said))
    if bell := document.doorbell:
        said = [f"wake by {bell.mode}" if bell.mode != "none" else "no listener reads the outbox"]
        said.append("armed" if bell.is_armed else "not armed")
        if bell.rings_per_second is not None:
            said.append(f"{bell.rings_per_second:,.1f} rings/s")
        said.append(f"{bell.writers_in_the_way} open transactions have written")
        yield _Line("doorbell: ", ", ".join(said))


def _loads(document: Document) -> Iterator[_Line | Table]:
    if not document.loads:
        return
    table = _table(("load of", "sink", "state"), ("rows", "of about", "bytes", "left"))
    for load in document.loads[:MOST_TABLES]:
        table.add_row(
            Text(safe(load.table)),
            Text(safe(load.sink)),
            load.state,
            f"{load.rows:,}",
            _count(load.estimated_rows),
            size(load.bytes),
            _span(load.seconds_left),
        )
    yield table


def _tables(document: Document, *, shows_all: bool) -> Iterator[_Line | Table]:
    if not document.tables:
        return
    has_several = len({table.sink for table in document.tables}) > 1
    # Stable, so that tables without a change stay by name.
    ordered = sorted(document.tables, key=_newest_first)
    ordered.sort(key=lambda one: _SEVERITY.index(one.state))
    chosen = ordered if shows_all else ordered[:MOST_TABLES]
    columns = {
        name: values for name, values in _counts(document, chosen).items() if name in _ALWAYS or {*values} - {"", "0"}
    }
    table = _table(("table", *(("sink",) if has_several else ()), "state"), tuple(columns))
    # Where there is little room it is the name that is folded: a word that is broken cannot be read.
    table.columns[-len(columns) - 1].min_width = len("captured")
    for place, one in enumerate(chosen):
        table.add_row(
            Text(safe(one.table)),
            *([Text(safe(one.sink))] if has_several else []),
            Text(
                f"{one.state}, {one.detail}" if one.state == "loading" else one.state,
                style=_STYLES.get(one.state, "yellow"),
            ),
            *(values[place] for values in columns.values()),
        )
    yield table
    if len(chosen) < len(ordered):
        yield _Line("", f"{len(ordered) - len(chosen):,} more tables: forwarder status --all")


def _counts(document: Document, tables: Sequence[shown.Table]) -> Mapping[str, Sequence[str]]:
    """By heading what stands in each row."""
    numbers = {
        "inserts": [one.inserts for one in tables],
        "updates": [one.updates for one in tables],
        "deletes": [one.deletes for one in tables],
        "loaded": [one.reads for one in tables],
        "others": [one.truncates + one.schema_changes + one.others for one in tables],
        "errors": [one.errors for one in tables],
    }
    return {
        **{name: [_count(number) for number in column] for name, column in numbers.items()},
        "changed": [_ago(document.at, one.last_change_at) if one.last_change_at else "" for one in tables],
    }


def _newest_first(table: shown.Table) -> float:
    return -table.last_change_at.timestamp() if table.last_change_at else 0.0


def _table(left: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in left:
        table.add_column(heading, overflow="fold")
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _count(number: int | None) -> str:
    """``9,999``, ``12.3k``, ``4.5M``; nothing, if it is not known."""
    if number is None:
        return ""
    if number < 100_000:
        return f"{number:,}"
    return f"{number / 1e3:,.0f}k" if number < 10_000_000 else f"{number / 1e6:,.0f}M"


def _rate(per_second: float | None) -> str:
    if per_second is None:
        return ""
    return f"{per_second:,.1f}" if per_second < 100 else f"{per_second:,.0f}"


def _span(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)


def _milliseconds(milliseconds: float | None) -> str:
    return (
        ""
        if milliseconds is None
        else f"{milliseconds:,.1f} ms"
        if milliseconds < 1000
        else duration(milliseconds / 1000)
    )


def _ago(now: datetime, then: datetime) -> str:
    return f"{duration(max(0.0, (now - then).total_seconds()))} ago"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
