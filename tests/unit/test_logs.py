from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator

import pytest

from forwarder import logs
from forwarder.logs import LogFormat, Throttled


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the logs go; what they were before is restored."""
    root, ours = logging.getLogger(), logging.getLogger("forwarder")
    handlers, level, our_level = root.handlers[:], root.level, ours.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)


def logged(stream: io.StringIO, log_format: LogFormat) -> logging.Logger:
    # Not configure's own handlers only: force=True would close pytest's.
    logging.getLogger().handlers[:] = []
    logs.configure(log_format, stream=stream)
    return logging.getLogger("forwarder.test")


def test_text_has_nothing_that_a_terminal_would_obey(stream: io.StringIO) -> None:
    logged(stream, "text").info(
        "captured from now on", extra={"table": "public.\x1b[2J\x9b\u202e", "other": "caf\u00e9"}
    )
    assert stream.getvalue().endswith('table="public.\\u001b[2J\\u009b\\u202e" other=caf\u00e9\n')


def test_text_is_one_line_with_facts_as_fields(stream: io.StringIO) -> None:
    logged(stream, "text").info("listening", extra={"sink": "default", "backlog": 12})

    at, _, rest = stream.getvalue().partition(" ")
    assert rest == "info listening sink=default backlog=12\n"
    time.strptime(at, "%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two words", '"two words"'),
        ("", '""'),
        ('a"b', '"a\\"b"'),
        ("a=b", '"a=b"'),
        ("a\nb", '"a\\nb"'),
        (None, "None"),
    ],
)
def test_a_field_cannot_be_mistaken_for_another(stream: io.StringIO, value: object, shown: str) -> None:
    logged(stream, "text").info("event", extra={"fact": value})

    assert stream.getvalue().endswith(f" info event fact={shown}\n")
    assert stream.getvalue().count("\n") == 1


def test_json_is_one_object_a_line(stream: io.StringIO) -> None:
    logged(stream, "json").warning("trying again", extra={"reason": "no\nanswer", "sizes": {1}})

    line = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert list(line) == ["at", "level", "event", "reason", "sizes"]
    assert (line["level"], line["event"], line["reason"]) == ("warning", "trying again", "no\nanswer")


def test_json_keeps_a_traceback_in_its_line(stream: io.StringIO) -> None:
    logger = logged(stream, "json")
    try:
        raise ValueError("wrong")
    except ValueError:
        logger.exception("failed")

    assert stream.getvalue().count("\n") == 1
    assert "ValueError: wrong" in json.loads(stream.getvalue())["traceback"]


def test_text_shows_a_traceback_below_its_line(stream: io.StringIO) -> None:
    logger = logged(stream, "text")
    try:
        raise ValueError("wrong")
    except ValueError:
        logger.exception("failed")

    assert stream.getvalue().splitlines()[1].startswith("Traceback")


def test_other_libraries_are_heard_from_warnings_on(stream: io.StringIO) -> None:
    logged(stream, "text")
    library = logging.getLogger("library")
    library.info("chatter")
    library.warning("trouble")

    assert stream.getvalue().endswith(" warning trouble\n")
    assert stream.getvalue().count("\n") == 1


def test_a_repeated_line_is_due_again_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    occasional = Throttled(seconds=10)

    assert [occasional.due("a"), occasional.due("a"), occasional.due("b")] == [True, False, True]
    now = 1009.9
    assert not occasional.due("a")
    now = 1010.0
    assert occasional.due("a")


def test_a_line_is_due_right_after_the_machine_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.5)

    assert Throttled(seconds=10).due("a")


@pytest.mark.parametrize(("period", "lines"), [("advisory", 1), ("mandatory", 0)])
def test_credentials_that_cannot_be_renewed_are_told_of_in_one_line_until_they_are_missing(
    stream: io.StringIO, period: str, lines: int
) -> None:
    logged(stream, "text")
    try:
        raise ValueError("no answer")
    except ValueError:
        logging.getLogger("aiobotocore.credentials").warning("Failed during %s period.", period, exc_info=True)

    assert stream.getvalue().count("\n") == lines
    assert stream.getvalue().count('reason="no answer"') == lines
