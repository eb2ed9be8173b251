"""What the demo shows, at 80 columns: progress, records and findings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from forwarder.demo.audit import Findings, percentile
from forwarder.demo.ledger import Arrival, Change, Ledger

_WIDTH = 76
_EXAMPLES = 5
_COLOURS = {"insert": "green", "update": "yellow", "delete": "red"}


def dashboard(ledger: Ledger, *, listener: str, done: float, records: Iterable[Arrival]) -> RenderableType:
    """The live view; ``done`` is the part of the time that has passed."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row("transactions", f"{len(ledger.commits):,} committed, {ledger.rolled_back:,} rolled back")
    grid.add_row("events", f"{ledger.events:,} written, {ledger.events - ledger.unread:,} read")
    grid.add_row("repeats", f"{ledger.repeats:,}")
    grid.add_row("latency", _recent_latency(ledger))
    grid.add_row("listener", listener)
    filled = round(_WIDTH * min(1.0, done))
    bar = Text.assemble(("━" * filled, "green"), ("━" * (_WIDTH - filled), "dim"))
    return Padding(Group(bar, "", grid, "", *map(record_line, records)), (1, 2))


def progress_line(ledger: Ledger) -> str:
    """What the live view shows, in one line, where there is no terminal."""
    read = ledger.events - ledger.unread
    return f"{ledger.events:7,} written {read:7,} read   latency {_recent_latency(ledger)}"


def record_line(arrival: Arrival) -> Text:
    """One record: where it came out, and what it says."""
    change = arrival.change
    return Text.assemble(
        (f"{arrival.shard.removeprefix('shardId-00000000')}  seq {arrival.seq:<8}", "dim"),
        (f"{change.operation:<8}", _COLOURS.get(change.operation, "")),
        f"{_row(change):<26}version {change.version}",
    )


def whole_record(arrival: Arrival) -> list[str]:
    """The JSON of a record, broken into lines after commas."""
    lines = [""]
    for piece in re.findall("[^,]*,?", arrival.data.decode()):
        if len(lines[-1]) + len(piece) > _WIDTH:
            lines.append("")
        lines[-1] += piece
    return [f"  {line}" for line in lines]


def summary(findings: Findings, ledger: Ledger, *, kills: int) -> list[Text]:
    """The findings, a line each."""
    held = sum(commit.held for commit in ledger.commits)
    delayed = findings.outage_latencies
    lines = [
        _line("transactions", f"{len(ledger.commits):,}", f"{ledger.rolled_back:,} others rolled back"),
        _line("late commits", f"{held:,}", "a second after their first change"),
        _line("events written", f"{findings.committed:,}", "counted by the writers, not by the outbox"),
        _line("records read", f"{findings.read:,}", "by an ordinary AWS client"),
        _verdict("lost", len(findings.lost)),
        _verdict("out of order", len(findings.out_of_order), "of one row, by its own version and by seq"),
        _verdict("phantoms", len(findings.phantoms), "changes that were rolled back"),
        _line("repeats", f"{findings.repeats:,}", f"listener killed: {kills} time{'s' * (kills != 1)}"),
        _line("latency p50", _duration(percentile(findings.latencies, 50)), "from COMMIT to arrival in the stream"),
        _line("latency p99", _duration(percentile(findings.latencies, 99))),
    ]
    if delayed:
        lines.append(_line("  at the kill", _duration(delayed[-1]), f"at most, for {len(delayed):,} events"))
    return lines


def verdict(findings: Findings) -> list[str]:
    """The verdict in a sentence, if all is well; else some of the changes that were lost, out of order or phantoms."""
    if findings.held:
        return ["Nothing was lost, and the changes of every row came out in order."]
    kinds = {"lost": findings.lost, "out of order": findings.out_of_order, "phantom": findings.phantoms}
    return [
        f"{kind}: {change.operation} {_row(change)} version {change.version}"
        for kind, changes in kinds.items()
        for change in changes[:_EXAMPLES]
    ]


def connections(*, database_url: str, endpoint_url: str, stream: str, dashboard_url: str) -> list[str]:
    """How to look around while everything stays up."""
    return [
        "",
        "Everything stays up until Ctrl-C, and what you change in schema shop shows here.",
        "",
        f"  dashboard  {dashboard_url}",
        f"  database   {database_url}",
        f"  endpoint   {endpoint_url}",
        f"  stream     {stream}",
        "",
        f"  psql {database_url}",
        "  update shop.customers set points = 0, version = version + 1 where id = 7;",
        "",
        "  export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_REGION=us-east-1",
        f"  aws kinesis list-shards --stream-name {stream} --endpoint-url {endpoint_url}",
        "",
    ]


def _line(name: str, value: str, remark: str = "", *, style: str = "") -> Text:
    return Text.assemble(f"  {name:<15}", (f"{value:>8}", style), f"  {remark}" if remark else "")


def _verdict(name: str, count: int, remark: str = "") -> Text:
    return _line(name, f"{count:,}", remark, style="bold red" if count else "bold green")


def _row(change: Change) -> str:
    return f"{change.table} {','.join(map(str, change.key))}"


def _recent_latency(ledger: Ledger) -> str:
    recent = sorted(ledger.recent_latencies)
    return f"p50 {_duration(percentile(recent, 50)):>6}   p99 {_duration(percentile(recent, 99)):>6}"


def _duration(seconds: float | None) -> str:
    """``5 ms`` or ``1.2 s``. Kinesis stamps whole milliseconds, so there is nothing finer to show."""
    if seconds is None:
        return "-"
    return f"{max(0.0, seconds) * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
