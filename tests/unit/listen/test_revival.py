from __future__ import annotations

from typing import Any

import anyio

from forwarder.listen.leader_session import LeaderSession
from forwarder.listen.revival import Revival


class Everything:
    """Stands for the parts that have nothing to say here: a stream of no table, which can be written to again."""

    streams = property(lambda self: self)
    schedule = property(lambda self: self)
    registry = property(lambda self: self)
    revivable = ("one",)

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self.tables: dict[int, Any] = {}

    def turn(self, stream: str) -> anyio.Lock:
        return self._turn

    def is_held(self, stream: str) -> bool:
        return False

    def is_open(self, stream: str) -> bool:
        return False

    def objection(self, stream: str) -> None:
        return None

    def may_revive(self, stream: str) -> bool:
        return True

    def note(self, tables: list[Any]) -> None:
        pass

    def leave_all_but(self, tables: list[Any]) -> None:
        pass


class NoLetters:
    async def fetch(self, *arguments: Any, **options: Any) -> list[Any]:
        return []


class Checkpoints:
    """Has taken what was set aside, and is about to store it."""

    def __init__(self) -> None:
        self.has_begun = anyio.Event()
        self.may_end = anyio.Event()
        self.has_stored = False

    async def save(self) -> None:
        self.has_begun.set()
        await self.may_end.wait()
        self.has_stored = True


async def test_a_stop_does_not_cancel_a_save_that_has_taken_what_was_set_aside() -> None:
    """Or the save at the end would store a position that has passed over it, and nothing else."""
    others: Any = Everything()
    connection: Any = NoLetters()
    checkpoints: Any = Checkpoints()
    revival = Revival(
        LeaderSession(connection=connection),
        others,
        sink="default",
        inflow=others,
        wants=None,
        moves=others,
        relay=others,
        resending=others,
        checkpoints=checkpoints,
    )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(revival.round)
        await checkpoints.has_begun.wait()
        tasks.cancel_scope.cancel()
        checkpoints.may_end.set()

    assert checkpoints.has_stored
