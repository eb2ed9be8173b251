"""What the database undid is done again, a few times."""

from __future__ import annotations

import pytest

from forwarder.database import conflicts
from forwarder.database.conflicts import past_conflicts
from forwarder.errors import Conflict, Unavailable


class Work:
    """Meets so many conflicts, then answers or fails."""

    def __init__(self, conflicts: int, failure: Exception | None = None) -> None:
        self.tries = 0
        self._conflicts = conflicts
        self._failure = failure

    async def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self._conflicts:
            raise Conflict("somebody else was first")
        if self._failure:
            raise self._failure
        return "done"


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "FIRST_PAUSE_SECONDS", 0.0)


async def test_work_that_meets_a_few_conflicts_is_done_in_the_end() -> None:
    work = Work(conflicts.TRIES - 1)

    assert await past_conflicts(work) == "done"
    assert work.tries == conflicts.TRIES


async def test_work_that_meets_conflicts_each_time_fails_by_the_last() -> None:
    work = Work(1000)

    with pytest.raises(Conflict, match="somebody else was first"):
        await past_conflicts(work)
    assert work.tries == conflicts.TRIES


async def test_what_is_no_conflict_is_not_done_again() -> None:
    work = Work(1, Unavailable("the connection is lost"))

    with pytest.raises(Unavailable, match="lost"):
        await past_conflicts(work)
    assert work.tries == 2
