"""The statement that reads a chunk."""

from __future__ import annotations

from dataclasses import replace

from forwarder.load.chunk_query import ChunkQuery
from forwarder.load.images import Needs
from forwarder.load.key_column import KeyColumn

A = KeyColumn(
    name="a",
    type="integer",
    less="OPERATOR(pg_catalog.<)",
    equal="OPERATOR(pg_catalog.=)",
    at_least="OPERATOR(pg_catalog.>=)",
    greater="OPERATOR(pg_catalog.>)",
)
B = KeyColumn(
    name='b"',
    type="public.citext",
    collation='pg_catalog."C"',
    less="OPERATOR(public.<)",
    equal="OPERATOR(public.=)",
    at_least="OPERATOR(public.>=)",
    greater="OPERATOR(public.>)",
    is_descending=True,
    is_nulls_first=True,
    is_of_postgres=False,
)
QUERY = ChunkQuery(
    name="public.item",
    relation=4711,
    needs=Needs(is_plain=True, max_bytes=100, columns=("a", 'b"', "c")),
    key=(A, B),
    paging=(A, B),
    conditions=(),
    is_careful=False,
)


def test_the_first_chunk_begins_where_the_index_does() -> None:
    assert (
        'FROM ONLY public.item AS new\nORDER BY NEW."a" USING OPERATOR(pg_catalog.<) NULLS LAST,'
        ' NEW."b""" COLLATE pg_catalog."C" USING OPERATOR(public.>) NULLS FIRST\nLIMIT 50'
    ) in QUERY.by_key(None, rows=50, bytes=4096)


def test_later_chunks_are_walks_from_a_key_on() -> None:
    sql = QUERY.by_key(("7", "it's"), rows=50, bytes=4096)
    first, second = sql.split("UNION ALL")
    equal, later = "NEW.\"a\" OPERATOR(pg_catalog.=) '7'::integer", "NEW.\"a\" OPERATOR(pg_catalog.>) '7'::integer"
    descending = 'NEW."b""" COLLATE pg_catalog."C" OPERATOR(public.<) \'it\'\'s\'::public.citext'
    assert f'WHERE {equal} AND {descending}\nORDER BY NEW."b"""' in first
    assert f'WHERE {later}\nORDER BY NEW."a"' in second


def test_a_key_is_read_as_text_without_a_cast_that_may_be_somebodys_code() -> None:
    sql = QUERY.by_key(None, rows=50, bytes=4096)
    assert sql.startswith("SELECT CASE WHEN octet_length(page.image) <= 100 THEN page.image END, ")
    assert "page.k1::integer::text, concat(page.k2)\nFROM" in sql


def test_rows_that_do_not_meet_the_conditions_are_looked_at_and_not_made_into_images() -> None:
    sql = replace(QUERY, conditions=("NEW.a > 7 -- at least", "true")).by_key(None, rows=50, bytes=4096)
    assert "WHEN (NEW.a > 7 -- at least\n) AND (true\n) THEN row_to_json(NEW.*)::text END AS image" in sql
    assert "WHERE" not in sql.split(") AS page")[0]


def test_each_walk_begins_with_the_value_of_the_load() -> None:
    sql = replace(QUERY, paging=(B, A), least="x").by_key(("y", "7"), rows=50, bytes=4096)
    assert sql.count('NEW."b""" COLLATE pg_catalog."C" OPERATOR(public.>=) \'x\'::public.citext') == 2


def test_without_a_key_a_range_of_the_file_is_read() -> None:
    sql = replace(QUERY, key=(), paging=()).by_place("(3,7)", end=9, rows=50, bytes=4096)
    assert "WHERE NEW.ctid > '(3,7)'::tid AND NEW.ctid < '(9,0)'::tid LIMIT 50" in sql


def test_a_byte_is_passed_on_as_a_number() -> None:
    byte = KeyColumn(name="c", type='"char"', less="<", equal="=", at_least=">=", greater=">")
    assert byte.text("page.k1") == "page.k1::integer::text"
    assert byte.equals("-1") == 'NEW."c" = \'-1\'::integer::"char"'
