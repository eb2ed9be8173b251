"""The rows of a database's tables as text, so that those of two databases can be compared to the byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

# The partition that a row lies in, and its values as literals; how often.
Rows = Counter[tuple[str, ...]]

# Under these a value is written in one way, and completely.
_SETTINGS = """
    SET search_path = pg_catalog; SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres';
    SET bytea_output = 'hex'; SET extra_float_digits = 3; SET lc_monetary = 'C'; SET quote_all_identifiers = off; SET xmlbinary = 'base64'
"""

_TABLES = """
    SELECT
        relname AS name,
        format(
            'SELECT ARRAY[tableoid::regclass::text, %s] FROM public.%I',
            (
                SELECT string_agg(format('format(''%%L'', %I)', attname), ', ' ORDER BY attnum) FROM pg_attribute
                WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped
            ),
            relname
        ) AS query
    FROM pg_class AS class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


async def rows_of_all_tables(connection: Connection) -> dict[str, Rows]:
    """By table, partitions not apart; of schema public."""
    await connection.execute(_SETTINGS)
    try:
        return {
            table["name"]: Counter(tuple(values) for (values,) in await connection.fetch(table["query"]))
            for table in await connection.fetch(_TABLES)
        }
    finally:
        await connection.execute("RESET ALL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The tables of two databases against each other."""

    # How many rows the first one has, by table.
    counts: Mapping[str, int]
    # Of each table that is not the same in both: what the second one lacks, and what it has too many of.
    differences: Mapping[str, tuple[Rows, Rows]]


async def compare(first: Connection, second: Connection) -> Comparison:
    """Both ways: no row may be missing, and none may be too many."""
    ours, theirs = await rows_of_all_tables(first), await rows_of_all_tables(second)
    assert ours.keys() == theirs.keys()
    return Comparison(
        counts={name: rows.total() for name, rows in ours.items()},
        differences={
            name: (rows - theirs[name], theirs[name] - rows) for name, rows in ours.items() if rows != theirs[name]
        },
    )
