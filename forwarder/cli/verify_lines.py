"""How ``forwarder verify`` tells what it has found: a line for each difference, and a summary; for people, or in JSON. Values only if asked for."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import typer

from forwarder.cli.terminal_text import safe
from forwarder.cli.verify_run import Outcome
from forwarder.verify.verification import Difference

_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
_PLAIN = re.compile(r"[\w.:+@/-]{1,60}")
_VALUE_CHARACTERS = 60


class Lines:
    """Writes the differences as they are found."""

    def __init__(self, *, limit: int, values: bool, as_json: bool) -> None:
        """``limit``: how many are shown. ``values``: whether rows are shown, too."""
        self.values = values
        self._limit = limit
        self._as_json = as_json
        self._shown = 0
        self._started_at = time.monotonic()

    def tell(self, difference: Difference) -> None:
        """A row that differs."""
        if self._shown >= self._limit:
            return
        self._shown += 1
        typer.echo(self._json(difference) if self._as_json else safe(self._text(difference)))

    def end(self, outcome: Outcome) -> None:
        """What came of it."""
        if self._as_json:
            typer.echo(_ENCODER.encode({"summary": _summary(outcome)}).decode())
            return
        for line in self._summary(outcome):
            typer.echo(f"forwarder: {line}", err=True)

    def _json(self, difference: Difference) -> str:
        told: dict[str, Any] = {"kind": difference.kind, "key": difference.key, "columns": difference.columns}
        if self.values:
            told |= {"table": difference.ours, "record": difference.theirs}
        return _ENCODER.encode(told).decode()

    def _text(self, difference: Difference) -> str:
        key = ", ".join(f"{name}={_value(value)}" for name, value in difference.key.items())
        return "  ".join(filter(None, (f"{difference.kind:7}", key, self._columns(difference))))

    def _columns(self, difference: Difference) -> str:
        if not self.values:
            return ", ".join(difference.columns)
        ours, theirs = difference.ours or {}, difference.theirs or {}
        if difference.kind == "stale":
            return ", ".join(
                f"{name}: {_member(ours, name)}, in the record {_member(theirs, name)}" for name in difference.columns
            )
        return ", ".join(f"{name}={_value(value)}" for name, value in (ours or theirs).items())

    def _summary(self, outcome: Outcome) -> Iterator[str]:
        tally, seconds = outcome.tally, time.monotonic() - self._started_at
        if tally.differences > self._shown:
            yield f"{tally.differences - self._shown:,} more differences are not shown; see --limit"
        found = f"{tally.missing:,} missing, {tally.stale:,} stale, {tally.extra:,} extra"
        verdict = "no difference" if not tally.differences else found
        yield f"{outcome.table}: {_counted(tally.rows, 'row')} compared with {_other_side(outcome)} in {seconds:.1f} s: {verdict}"
        yield from _remarks(outcome)


def _other_side(outcome: Outcome) -> str:
    if outcome.counts is None:
        return _counted(outcome.copied or 0, "row")
    return f"{_counted(outcome.counts.changes, 'change')} in {_counted(outcome.counts.records, 'record')}"


def _remarks(outcome: Outcome) -> Iterator[str]:
    tally, counts, coverage = outcome.tally, outcome.counts, outcome.coverage
    if tally.untold:
        since = (
            f"the records go back to {coverage.oldest_at:%Y-%m-%d %H:%M:%S} UTC"
            if coverage.oldest_at
            else "there are no records"
        )
        yield (
            f"{_counted(tally.untold, 'row')} not judged: {since}, and nothing says that they tell of every row; with --complete"
            " such rows are missing"
        )
    if tally.unknown:
        yield f"{_counted(tally.unknown, 'row')} not judged: the record says that the row is there, and does not hold it"
    if tally.unreadable_keys:
        yield f"{_counted(tally.unreadable_keys, 'record')} not judged: the table has no row with its key, which this format writes in another way than PostgreSQL reads it"
    if coverage.gaps:
        yield f"the records say that changes of the table were not captured: {', '.join(sorted(coverage.gaps))}"
    if counts and counts.without_row:
        yield f"{_counted(counts.without_row, 'change')} of the table without a row in it (fault)"
    if counts and counts.foreign:
        yield f"{_counted(counts.foreign, 'change')} passed over that another database has sent"
    if counts and counts.other_format:
        yield f"{_counted(counts.other_format, 'change')} passed over in another format than the sink's"
    if counts and counts.unreadable:
        yield f"{_counted(counts.unreadable, 'record')} that cannot be read"
    if tally.only_ours:
        yield f"not compared, since only the table has them: {', '.join(sorted(tally.only_ours))}"
    if tally.only_theirs:
        yield f"not compared, since the table does not have them: {', '.join(sorted(tally.only_theirs))}"
    yield from outcome.remarks


def _summary(outcome: Outcome) -> Mapping[str, Any]:
    tally, counts = outcome.tally, outcome.counts
    return {
        "table": outcome.table,
        "rows": tally.rows,
        "missing": tally.missing,
        "stale": tally.stale,
        "extra": tally.extra,
        "not_judged": tally.untold + tally.unknown + tally.unreadable_keys,
        "complete": outcome.is_complete,
        "oldest_record_at": outcome.coverage.oldest_at,
        "records": counts.records if counts else None,
        "changes": counts.changes if counts else None,
        "copied_rows": outcome.copied,
        "remarks": list(_remarks(outcome)),
    }


def _member(row: Mapping[str, Any], name: str) -> str:
    return _value(row[name]) if name in row else "none"


def _value(value: Any) -> str:
    """A text without quotes, if it needs none; anything else in JSON, and not all of it if it is long."""
    if isinstance(value, str):
        text = value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    else:
        text = _ENCODER.encode(value).decode()
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[:_VALUE_CHARACTERS]}…"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
