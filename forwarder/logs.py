"""Structured logs: a short message that is always the same, and facts in fields. Never a value of a row, never a password.

2026-01-02T03:04:05.678Z info listening sink=default to=kinesis://changes from_seq=0
{"at": "2026-01-02T03:04:05.678Z", "level": "info", "event": "listening", "sink": "default", "to": "kinesis://changes", "from_seq": 0}
"""

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

LogFormat = Literal["text", "json"]

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


# For lines that other programs read as they are, whatever the format of the log is.
BARE_LINES = logging.getLogger("forwarder.bare_lines")


def configure(log_format: LogFormat, *, stream: TextIO | None = None) -> None:
    """Send every log of this process to ``stream``, one line an event; None: to what is standard error at that moment."""
    handler = logging.StreamHandler(stream) if stream else _ToStandardError()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("forwarder").setLevel(logging.INFO)
    bare = logging.StreamHandler(stream) if stream else _ToStandardError()
    BARE_LINES.handlers, BARE_LINES.propagate = [bare], False
    logging.getLogger("aiobotocore.credentials").addFilter(_in_one_line)


class _ToStandardError(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stderr`` is when a line is logged. A command that shows bars there has them give way to it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class TextFormatter(logging.Formatter):
    """A line for people: time, level, message and ``name=value`` for each fact."""

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {name}={_readable(value)}" for name, value in _facts(record).items())
        line = f"{_timestamp(record)} {record.levelname.lower()} {record.getMessage()}{facts}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """A line for programs: one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"at": _timestamp(record), "level": record.levelname.lower(), "event": record.getMessage()}
        line |= _facts(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _in_one_line(record: logging.LogRecord) -> bool:
    """A filter: turns the traceback in aiobotocore's warning of credentials that it cannot renew into a reason on the same line.

    When the credentials are overdue, its warning says "mandatory". That one is dropped, as the error is raised too, and told by others.
    """
    if record.exc_info:
        record.__dict__["reason"] = str(record.exc_info[1])
        record.exc_info = None
    return record.args != ("mandatory",)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}


def _timestamp(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _readable(value: object) -> str:
    text = str(value)
    is_plain = text and text.isprintable() and not any(character in text for character in ' "=')
    return text if is_plain else json.dumps(text)


class Throttled:
    """Keeps a line of the log from being repeated more often than every ``seconds``."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._last: dict[str, float] = {}

    def due(self, what: str) -> bool:
        """Whether ``what`` was not said in the last ``seconds``; if so, it counts as said now."""
        now = time.monotonic()
        if now - self._last.get(what, -self._seconds) < self._seconds:
            return False
        self._last[what] = now
        return True
