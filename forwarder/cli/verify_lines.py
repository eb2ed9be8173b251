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
from forwarder.cli.verify_outcome import Outcome, counted, remarks
from forwarder.verify.verification import Difference

_ENCODER = msgspec.json.Encoder(decimal_format="number")
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
        return _written(told)

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
        yield f"{outcome.table}: {counted(tally.rows, 'row')} compared with {_other_side(outcome)} in {seconds:.1f} s: {verdict}"
        yield from remarks(outcome)


def _other_side(outcome: Outcome) -> str:
    if outcome.counts is None:
        return counted(outcome.copied or 0, "row")
    return f"{counted(outcome.counts.changes, 'change')} in {counted(outcome.counts.records, 'record')}"


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
        "remarks": list(remarks(outcome)),
    }


def _member(row: Mapping[str, Any], name: str) -> str:
    return _value(row[name]) if name in row else "none"


def _value(value: Any) -> str:
    """A text without quotes, if it needs none; anything else in JSON, and not all of it if it is long."""
    text = value if isinstance(value, str) and _PLAIN.fullmatch(value) else _written(value)
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[:_VALUE_CHARACTERS]}…"


def _written(value: Any) -> str:
    """In JSON, each number as it is."""
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:
        # A column of type json may have half of a surrogate pair.
        return json.dumps(value, default=str)
