"""Arrays of PostgreSQL's own types, which each session of asyncpg asks the server about before it sends or reads the first one.

That is seven milliseconds of the server's work for each session and type, and its answer is always the same: no release of PostgreSQL
gives these types other numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import asyncpg


class _Array(NamedTuple):
    name: str
    element: int


# By oid, as pg_type.dat of PostgreSQL's sources has them.
ARRAYS = {
    271: _Array("_xid8", 5069),
    1000: _Array("_bool", 16),
    1001: _Array("_bytea", 17),
    1002: _Array("_char", 18),
    1005: _Array("_int2", 21),
    1007: _Array("_int4", 23),
    1014: _Array("_bpchar", 1042),
    1015: _Array("_varchar", 1043),
    1016: _Array("_int8", 20),
    1022: _Array("_float8", 701),
    1185: _Array("_timestamptz", 1184),
    1231: _Array("_numeric", 1700),
}


class _NamedStatement:
    """For asyncpg: that it has not asked by an unnamed statement, and need not prepare its own anew."""

    name = "known"


_Connection: Any = asyncpg.Connection
ask = _Connection._introspect_types


def share_array_types() -> None:
    """Let no session of this process ask about them."""

    async def look_up(connection: Any, oids: set[int], timeout: float) -> tuple[list[Any], Any]:  # noqa: ASYNC109 - asyncpg's own
        if oids <= ARRAYS.keys():
            return [described(oid, ARRAYS[oid]) for oid in oids], _NamedStatement
        answer: tuple[list[Any], Any] = await ask(connection, oids, timeout)
        return answer

    _Connection._introspect_types = look_up


def described(oid: int, array: _Array) -> dict[str, Any]:
    """What asyncpg reads in a row of the server's answer."""
    of_other_types = dict.fromkeys(("basetype", "range_subtype", "attrtypoids", "attrnames"))
    return {
        **of_other_types,
        "oid": oid,
        "ns": "pg_catalog",
        "name": array.name,
        "kind": b"b",
        "elemtype": array.element,
        "elemdelim": b",",
        "depth": 0,
    }
