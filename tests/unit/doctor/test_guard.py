"""``forwarder.doctor.guard``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import asyncpg
import pytest

from forwarder.doctor.finding import Finding, Verdict
from forwarder.doctor.guard import guarded
from forwarder.errors import Misconfigured, Refused, Unavailable


@pytest.mark.parametrize(
    ("error", "verdict", "remedy"),
    [
        (Refused("no schema; migrate"), Verdict.FAILURE, "migrate"),
        (Misconfigured("no such table; correct it"), Verdict.FAILURE, "correct it"),
        (Unavailable("locked; wait"), Verdict.WARNING, "wait"),
        (asyncpg.QueryCanceledError("statement timeout"), Verdict.WARNING, None),
        (asyncpg.UndefinedTableError("no table"), Verdict.FAILURE, "run `forwarder migrate` first"),
        (ExceptionGroup("", [Refused("no role; create it")]), Verdict.FAILURE, "create it"),
        (ZeroDivisionError("a mistake of ours"), Verdict.FAILURE, "report it, with the log"),
        (ExceptionGroup("", [KeyError("a mistake of ours")]), Verdict.FAILURE, "report it, with the log"),
    ],
)
async def test_whatever_a_look_raises_is_found(error: Exception, verdict: Verdict, remedy: str | None) -> None:
    async def look() -> Iterable[Finding]:
        return fail(error)

    [found] = await guarded("it", look)
    assert (found.subject, found.verdict, found.remedy) == ("it", verdict, remedy)


def fail(error: Exception) -> NoReturn:
    raise error
