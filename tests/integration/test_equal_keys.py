"""Every type that a key may have, by what PostgreSQL says: which of its values are equal, and how it writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import asyncpg
import pytest

from forwarder.capture import plan
from forwarder.capture.catalog import read_tables
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.tables import AmbiguousColumn
from forwarder.database.quoting import literal
from forwarder.events import CapturedTable
from forwarder.outbox.keys import key_reader
from tests.capture import capture
from tests.databases import Database, connected
from tests.migrating import captured

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

# Equal values are always written alike; or are read as one key; or share a lane, their key as it is written; or are warned of.
Outcome = Literal["alike", "one key", "one lane", "warned of"]

TYPES = """
    CREATE DOMAIN positive AS numeric;
    CREATE DOMAIN lasting AS interval;
    CREATE TYPE pair AS (number numeric, name text);
    CREATE TYPE span AS (name text, lasts lasting[]);
    CREATE TYPE intervalrange AS RANGE (subtype = interval);
    CREATE TYPE bpcharrange AS RANGE (subtype = bpchar);
    CREATE TYPE mood AS ENUM ('sad', 'glad');
"""

CASES: list[tuple[str, str, str, Outcome]] = [
    ("numeric", "1.0", "1.00", "one key"),
    ("numeric", "0", "-0.00", "one key"),
    ("numeric", "100000000000000000000000", "1e23", "alike"),
    ("numeric", "NaN", "nan", "alike"),
    ("numeric(10,2)", "1.0", "1.00", "alike"),
    ("positive", "1.0", "1.00", "one key"),
    ("real", "0", "-0", "one key"),
    ("double precision", "0", "-0", "one key"),
    ("double precision", "1e20", "100000000000000000000", "alike"),
    ("smallint", "1", "01", "alike"),
    ("integer", "1", "01", "alike"),
    ("bigint", "1", "01", "alike"),
    ("oid", "1", "01", "alike"),
    ("xid8", "1", "01", "alike"),
    ("money", "1.5", "$1.50", "alike"),
    ("boolean", "t", "yes", "alike"),
    ("text", "a", "a", "alike"),
    ("character varying", "a", "a", "alike"),
    ("character(5)", "a", "a  ", "alike"),
    ("bpchar", "a", "a  ", "one lane"),
    ('"char"', "a", "a", "alike"),
    ("name", "a", "a", "alike"),
    ("mood", "glad", "glad", "alike"),
    ("bytea", "A", "\\x41", "alike"),
    ("bit(3)", "101", "B101", "alike"),
    ("bit varying", "101", "B101", "alike"),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "alike"),
    ("date", "2026-01-02", "20260102", "alike"),
    ("time", "01:02:03.40", "01:02:03.4", "alike"),
    ("time with time zone", "01:02:03.40+00", "01:02:03.4Z", "alike"),
    ("timestamp", "2026-01-02 03:04:05.60", "2026-01-02 03:04:05.6", "alike"),
    ("timestamp with time zone", "2026-01-02 03:04:05+01", "2026-01-02 02:04:05+00", "alike"),
    ("interval", "1 day", "24:00:00", "warned of"),
    ("interval", "1 month", "30 days", "warned of"),
    ("lasting", "1 day", "24:00:00", "warned of"),
    ("inet", "10.1.2.3", "10.1.2.3/32", "alike"),
    ("inet", "::1", "0:0:0:0:0:0:0:1", "alike"),
    ("cidr", "10.0.0.0/8", "10/8", "alike"),
    ("macaddr", "08:00:2b:01:02:03", "08002B-010203", "alike"),
    ("macaddr8", "08:00:2b:01:02:03", "08:00:2b:ff:fe:01:02:03", "alike"),
    ("pg_lsn", "0/1", "00/01", "alike"),
    ("tid", "(0,1)", "(00,01)", "alike"),
    ("oidvector", "1 2", "01  2", "alike"),
    ("tsvector", "a b", "b a", "alike"),
    ("tsquery", "a", "a:A", "warned of"),
    ("jsonb", "1.0", "1.00", "one key"),
    ("jsonb", '{"b": [1.0], "aa": "1.0"}', '{"aa": "1.0", "b": [1.00]}', "one key"),
    ("pair", "(1.0,a)", "(1.00,a)", "one key"),
    ("span", '(a,"{1 day}")', '(a,"{24:00:00}")', "warned of"),
    ("numeric[]", "{1.0,2}", "{1.00,2.0}", "one key"),
    ("pair[]", '{"(1.0,a)"}', '{"(1.00,a)"}', "one key"),
    ("bpchar[]", "{a}", '{"a "}', "one lane"),
    ("interval[]", "{1 day}", "{24:00:00}", "warned of"),
    ("int4range", "[1,2]", "[1,3)", "alike"),
    ("tstzrange", "[2026-01-02 03:00+01,)", "[2026-01-02 02:00+00,)", "alike"),
    ("numrange", "[1.0,2.50)", "[1.00,2.5)", "one lane"),
    ("intervalrange", "[1 day,)", "[24:00:00,)", "warned of"),
    ("bpcharrange", "[a,b)", '["a ","b  ")', "one lane"),
    ("bpcharrange", '["a,","b c")', '["a, ","b c ")', "one lane"),
    ("bpcharrange", '["",b)', '["  ",b)', "one lane"),
    ("bpcharrange", '["a""\\\\",b)', '["a""\\\\ ",b)', "one lane"),
    ("bpcharrange[]", '{"[a,b)"}', '{"[\\"a \\",b)"}', "one lane"),
    ("bpcharmultirange", "{[a,b)}", '{["a ",b)}', "one lane"),
    ("nummultirange", "{[1.0,2.0)}", "{[1.00,2.00)}", "one lane"),
]


KEY = (("id",),)


async def outcome_of(connection: Connection, type: str, one: str, other: str) -> Outcome | None:
    """What becomes of two values that are one key of a table; None if that is not as it should be."""
    await connection.execute(f"CREATE TABLE item (id {type} PRIMARY KEY)")
    await capture(connection, "item")
    await connection.execute(f"INSERT INTO item VALUES ({literal(one)})")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(f"INSERT INTO item VALUES ({literal(other)})")
    await connection.execute("DELETE FROM item")
    await connection.execute(f"INSERT INTO item VALUES ({literal(other)})")
    rows = await connection.fetch("SELECT after FROM forwarder.outbox WHERE op = 'I' ORDER BY seq")
    images = [row["after"] for row in rows]
    read = key_reader(CapturedTable(id=1, relation=1, schema="", name="", key_columns=KEY, before_image="full"))
    (one_key, one_lane), (other_key, other_lane) = [key for image in images if (key := read(image))]
    if await ambiguous_columns(connection):
        return "warned of" if one_lane != other_lane else None
    if images[0] == images[1]:
        return "alike"
    return None if one_lane != other_lane else "one key" if one_key == other_key else "one lane"


async def ambiguous_columns(connection: Connection) -> list[AmbiguousColumn]:
    (table,) = [table for table in await read_tables(connection) if table.name == "item"]
    return [*table.ambiguous_key_columns]


async def test_equal_keys_are_one_or_are_warned_of(connection: Connection) -> None:
    await connection.execute(TYPES)
    found = []
    for type, one, other, _ in CASES:
        found.append((type, one, other, await outcome_of(connection, type, one, other)))
        await connection.execute("DROP TABLE item; TRUNCATE forwarder.outbox; DELETE FROM forwarder.captured_table")
    assert found == CASES


@pytest.mark.parametrize(
    ("value", "types"),
    [
        ("10", ("integer", "numeric(10,2)", "numeric(12,4)", "double precision", "numeric", "bigint")),
        ("100000000000000000", ("bigint", "double precision", "numeric(20,1)")),
        ("'ab'", ("char(3)", "char(5)", "bpchar", "text", "char(4)")),
        ("'{10}'", ("integer[]", "numeric(10,2)[]", "double precision[]")),
    ],
)
async def test_a_row_keeps_its_lane_across_a_change_of_its_key_s_type(
    connection: Connection, value: str, types: tuple[str, ...]
) -> None:
    await connection.execute(f"CREATE TABLE item (id {types[0]} PRIMARY KEY)")
    await capture(connection, "item")
    for type in types:
        await connection.execute(f"ALTER TABLE item ALTER id TYPE {type}")
        await connection.execute(f"INSERT INTO item VALUES ({value}); DELETE FROM item")
    read = key_reader(CapturedTable(id=1, relation=1, schema="", name="", key_columns=KEY, before_image="full"))
    rows = await connection.fetch("SELECT coalesce(after, before) AS image FROM forwarder.outbox ORDER BY seq")
    keys = [key for row in rows if (key := read(row["image"]))]
    assert len(keys) == 2 * len(types)
    assert len({lane for _, lane in keys}) == 1


async def test_every_type_that_a_key_may_have_is_among_the_cases(connection: Connection) -> None:
    """Where PostgreSQL itself does not vouch that equal values are the same bytes, one case at least is about it."""
    await connection.execute(TYPES)
    indexed = await connection.fetch("""
        SELECT class.opcintype::regtype::text AS type, bool_or(support.amproc IS NOT NULL) AS same_bytes
        FROM pg_opclass AS class
        JOIN pg_am AS method ON method.oid = class.opcmethod AND method.amname = 'btree'
        LEFT JOIN pg_amproc AS support
            ON support.amprocfamily = class.opcfamily AND support.amproclefttype = class.opcintype AND support.amprocnum = 4
        WHERE class.opcdefault AND class.opcnamespace = 'pg_catalog'::regnamespace
        GROUP BY 1
    """)
    cases = {
        (await connection.fetchval("SELECT $1::text::regtype::text", type), outcome) for type, *_, outcome in CASES
    }
    containers = {"anyarray", "anyrange", "anymultirange", "record", "anyenum"}
    named = {row["type"] for row in indexed} - containers
    assert named <= {type for type, _ in cases}
    unalike = {type for type, outcome in cases if outcome != "alike"}
    assert {row["type"] for row in indexed if not row["same_bytes"]} - containers - {"tsvector"} <= unalike


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("id integer PRIMARY KEY, lasts interval", []),
        ("id integer, lasts interval, PRIMARY KEY (lasts, id)", [("lasts", "interval", None)]),
        ("id integer NOT NULL, lasts interval NOT NULL, UNIQUE (id) INCLUDE (lasts)", []),
        ("id integer NOT NULL, lasts span[] NOT NULL UNIQUE", [("lasts", "span[]", None)]),
        ("id integer, lasts interval", []),
        ("id interval PRIMARY KEY) PARTITION BY HASH (id", [("id", "interval", None)]),
    ],
)
async def test_columns_of_the_key_alone_are_warned_of(
    connection: Connection, definition: str, expected: list[tuple[str, str, str | None]]
) -> None:
    await connection.execute(TYPES)
    await connection.execute(f"CREATE TABLE item ({definition})")
    columns = await ambiguous_columns(connection)
    assert [(column.name, column.type, column.collation) for column in columns] == expected


async def test_text_in_which_case_does_not_count_is_warned_of(connection: Connection) -> None:
    try:
        await connection.execute("CREATE EXTENSION citext")
    except asyncpg.FeatureNotSupportedError:
        pytest.skip("this PostgreSQL comes without citext")
    assert await outcome_of(connection, "citext", "A", "a") == "warned of"
    (column,) = await ambiguous_columns(connection)
    assert column == AmbiguousColumn(name="id", type="citext", collation=None)


async def test_a_collation_that_takes_unequal_texts_for_equal_is_warned_of(connection: Connection) -> None:
    try:
        await connection.execute(
            "CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    except asyncpg.FeatureNotSupportedError:
        pytest.skip("this PostgreSQL comes without ICU")
    assert await outcome_of(connection, "text COLLATE ignore_case", "A", "a") == "warned of"
    (column,) = await ambiguous_columns(connection)
    assert column == AmbiguousColumn(name="id", type="text", collation="ignore_case")


async def test_the_collation_of_the_index_counts_not_that_of_the_column(
    connection: Connection, database: Database
) -> None:
    await connection.execute("CREATE COLLATION plain (locale = 'C'); CREATE TABLE item (id text NOT NULL)")
    await connection.execute("CREATE UNIQUE INDEX ON item (id COLLATE plain)")
    assert await ambiguous_columns(connection) == []
    # Only ICU can compare so, and not every PostgreSQL comes with it; what the catalog says is enough here.
    async with connected(database.superuser_url) as superuser:
        await superuser.execute("UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'plain'")
    assert [column.collation for column in await ambiguous_columns(connection)] == ["plain"]


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("PRIMARY KEY (id)", False),
        ("PRIMARY KEY (id) DEFERRABLE", True),
        ("PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED", True),
        ("UNIQUE (id) DEFERRABLE", False),
    ],
)
async def test_a_deferrable_primary_key_stays_the_key_and_is_told(
    connection: Connection, constraint: str, *, expected: bool
) -> None:
    await connection.execute(f"CREATE TABLE item (id integer NOT NULL, {constraint})")
    (table,) = [table for table in await read_tables(connection) if table.name == "item"]
    assert table.key_is_deferrable == expected
    assert table.key == ((1,) if constraint.startswith("PRIMARY") else ())


async def test_a_row_inserted_before_the_one_that_has_its_key_is_deleted_is_captured_in_that_order(
    connection: Connection,
) -> None:
    await connection.execute("CREATE TABLE item (id integer PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, note text)")
    await capture(connection, "item")
    await connection.execute("INSERT INTO item VALUES (1, 'old')")
    await connection.execute("INSERT INTO item VALUES (1, 'new'); DELETE FROM item WHERE note = 'old'")
    images = [(change.op, (change.after or change.before)["note"]) for change in await captured(connection)]
    assert images == [("I", "old"), ("I", "new"), ("D", "old")]


async def test_migrate_warns_of_the_tables_that_it_captures_and_of_no_others(connection: Connection) -> None:
    await connection.execute(
        "CREATE TABLE lap (id interval PRIMARY KEY); CREATE TABLE seat (id integer PRIMARY KEY DEFERRABLE);"
        "CREATE TABLE other (id interval PRIMARY KEY DEFERRABLE); CREATE TABLE price (id numeric PRIMARY KEY)"
    )
    rules = [Rule(match=Pattern(name)) for name in ("lap", "seat", "price")]
    ambiguous, deferrable = (await plan.from_selection(connection, rules)).warnings
    assert "public.lap (id interval): " in ambiguous
    assert "public.seat: " in deferrable
    assert "other" not in ambiguous + deferrable
