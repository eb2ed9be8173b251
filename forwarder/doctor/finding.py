"""One thing that was looked at: what is so, how bad that is, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from forwarder.errors import ForwarderError


class Verdict(StrEnum):
    """How bad it is, from good to bad."""

    OK = "ok"
    # Nothing to mend; something that an operator may want to know.
    NOTE = "note"
    # It works, and not as well as is promised, or not for long.
    WARNING = "warning"
    # Changes are missed, or are not delivered, or will not be.
    FAILURE = "failure"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A fact about one subject. Its text has no value of a row in it, and no password."""

    # What was looked at: `TLS`.
    subject: str
    verdict: Verdict
    # What is so.
    text: str
    # What to do; None: nothing, or the text says it.
    remedy: str | None = None


def ok(subject: str, text: str) -> Finding:
    """All is well with it."""
    return Finding(subject=subject, verdict=Verdict.OK, text=text)


def note(subject: str, text: str, *, remedy: str | None = None) -> Finding:
    """Nothing has to be done."""
    return Finding(subject=subject, verdict=Verdict.NOTE, text=text, remedy=remedy)


def warning(subject: str, text: str, *, remedy: str | None = None) -> Finding:
    """Something should be done."""
    return Finding(subject=subject, verdict=Verdict.WARNING, text=text, remedy=remedy)


def failure(subject: str, text: str, *, remedy: str | None = None) -> Finding:
    """Something has to be done."""
    return Finding(subject=subject, verdict=Verdict.FAILURE, text=text, remedy=remedy)


def of_sentence(subject: str, verdict: Verdict, sentence: str, *, before_remedy: str = "; ") -> Finding:
    """What others say in one sentence, as a listener warns of it: the remedy comes behind the first ``before_remedy``."""
    text, _, remedy = sentence.partition(before_remedy)
    return Finding(subject=subject, verdict=verdict, text=text, remedy=remedy or None)


def of_error(subject: str, error: ForwarderError, *, verdict: Verdict = Verdict.FAILURE) -> Finding:
    """What an error of this program says."""
    return of_sentence(subject, verdict, str(error))


def warnings_or_ok(
    subject: str, sentences: Iterable[str], *, otherwise: str, before_remedy: str = "; "
) -> tuple[Finding, ...]:
    """A warning for each sentence; if there is none, that all is well."""
    found = tuple(
        of_sentence(subject, Verdict.WARNING, sentence, before_remedy=before_remedy) for sentence in sentences
    )
    return found or (ok(subject, otherwise),)
