"""The rows of table ``item``, and those that its captured changes lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.migrating import Captured, captured

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


async def rows_of(connection: Connection, key: tuple[str, ...] = ("id",)) -> Mapping[Any, Any]:
    return {tuple(row[name] for name in key): dict(row) for row in await connection.fetch("SELECT * FROM public.item")}


def replayed(events: list[Captured], key: tuple[str, ...] = ("id",)) -> Mapping[Any, Any]:
    """The rows that the events lead to. Each event has to begin with what the one before it of its row has left."""
    rows: dict[Any, Any] = {}
    for event in events:
        name = tuple((event.before if event.op == "D" else event.after)[column] for column in key)
        found = rows.pop(name, None)
        if event.op == "I":
            assert found is None, f"{event} of a row that is there"
        else:
            assert found is not None, f"{event} of a row that is not there"
            assert event.before in (None, found), f"{event} does not follow {found}"
        if event.op != "D":
            rows[name] = event.after
    return rows


async def assert_in_order(owner: Connection, key: tuple[str, ...] = ("id",)) -> None:
    assert replayed(await captured(owner), key) == await rows_of(owner, key)
