"""What the tests know of arrays beforehand is what the server says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.array_types import ARRAYS, ask, described

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


async def test_the_server_says_the_same_of_each_array(connection: Connection) -> None:
    for oid, array in ARRAYS.items():
        answer, _ = await ask(connection, {oid}, None)
        known = described(oid, array)
        assert {name: value for name, value in dict(answer[-1]).items() if name in known} == known
