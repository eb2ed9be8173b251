"""The format debezium, beside what Debezium's own engine has made of the same SQL (tests/golden/debezium)."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.databases import Database, connected
from tests.listening import Operator
from tests.support import every_type
from tests.support.type_tables import type_tables

GOLDEN = Path(__file__).parents[1] / "golden" / "debezium"

# As in tests/golden/debezium/make.sh; and one more, which is compared with the records of `default`.
RUNS: Mapping[str, Mapping[str, str]] = {
    "default": {},
    "exact": {"exact": "true"},
    "strings": {
        "decimal.handling.mode": "string",
        "time.precision.mode": "isostring",
        "binary.handling.mode": "hex",
        "interval.handling.mode": "string",
    },
    "double": {
        "decimal.handling.mode": "double",
        "binary.handling.mode": "base64",
        "hstore.handling.mode": "map",
        "time.precision.mode": "connect",
    },
    "url-safe": {
        "binary.handling.mode": "base64-url-safe",
        "time.precision.mode": "adaptive_time_microseconds",
        "include.unknown.datatypes": "true",
    },
    "microseconds": {"time.precision.mode": "microseconds"},
    "nanoseconds": {"time.precision.mode": "nanoseconds"},
    "transaction": {"provide.transaction.metadata": "true", "skipped.operations": "none"},
    "partition-root": {"publish.via.partition.root": "true"},
}

# Times, and numbers that servers give.
POSITIONS = re.compile(r"(source\.)?ts_(ms|us|ns)|source\.(sequence|txId|lsn)")
ABSENT = "absent"


class Known(NamedTuple):
    """A difference that is meant, or cannot be helped."""

    # Regular expressions of runs, tables and fields.
    runs: str
    tables: str
    fields: str
    reason: str


# Each is needed: the test fails if it is not. docs/formats/debezium.md tells of all of them.
DIFFERENCES = [
    Known(
        ".*",
        r"public\.(every_type|t_default|t_compound|t_part.*|t_toast)",
        r"before(\..*)?",
        "the engine has the old row with REPLICA IDENTITY FULL alone, else nothing or its key; we always have it",
    ),
    Known(
        ".*", r"public\.t_index", r".*", "the engine takes the replica identity's index for the key, we the primary key"
    ),
    Known(".*", r"public\.t_toast", r"after\..*", "the engine lacks large values that did not change, we never do"),
    Known(
        "(?!exact).*",
        r"public\.t_.*",
        r"source\.forwarder",
        "headers of a change of the key, and the partition: without exact=true they have a place of their own",
    ),
    Known(".*", r"public\.every_type", r"after\.c_generated", "pgoutput leaves generated columns out"),
    Known(".*", r"public\.every_type", r"after\.c_name", "a bug: columns of type name are null in the change stream"),
    Known(".*", r"public\.every_type", r"after\.c_jsonb?", "JSON null is SQL's null; the blanks around JSON are lost"),
    Known(".*", r"public\.every_type", r"after\.c_numeric_3_m2", "a bug: a scale of -2 is taken for 2,046"),
    Known(".*", r"public\.every_type", r"after\.a_(bool|int4|text)", "a bug: arrays of arrays are broken"),
    Known(".*", r"public\.every_type", r"after\.a_json", "JSON null in an array is SQL's null"),
    Known(".*", r"public\.every_type", r"after\.a_time", "a bug: microseconds are lost, 24:00 is 0"),
    Known("(?!exact).*", r"public\.every_type", r"after\.c_timetz", "the zone is lost; with exact=true it is so here"),
    Known(".*", r"public\.every_type", r"after\.a_timetz", "the zone and fractions of the second are lost"),
    Known(
        "(?!exact|url-safe).*",
        r"public\.every_type",
        r"after\.(c_(int4multirange|tstzmultirange|address|tsquery|line|lseg|box|path|polygon|circle|pg_lsn|xid8|jsonpath|regclass)"
        r"|a_(interval|address|money|point|price))",
        "types that the engine leaves out are texts; with exact=true they are left out here",
    ),
    Known("exact", r"public\.every_type", r"after\.a_price", "we do not see that an array is of a domain"),
    Known(
        "url-safe",
        r"public\.every_type",
        r"after\.(c_(address|line|lseg|box|path|polygon|circle|regclass)|a_(address|price|interval|money|point))",
        "composites are JSON, geometric texts are PostgreSQL's own, arrays of what the engine knows by itself are told",
    ),
    Known(".*", r"public\.sp_time", r"after\.d", "a bug: an infinite date is some day in the past"),
    Known(
        "default|exact|url-safe|microseconds",
        r"public\.sp_time",
        r"after\.ts",
        "a bug: microseconds beyond 64 bits are another number; null here",
    ),
]


def statements(file: Path) -> Iterator[str]:
    """The statements of a file, each of which ends with a line."""
    lines: list[str] = []
    for line in file.read_text().splitlines(keepends=True):
        lines.append(line)
        statement = "".join(lines)
        if re.search(r";\s*(--[^\n]*)?$", line) and statement.count("$$") % 2 == 0:
            yield statement
            lines.clear()


async def operate(database: Database, operator: Operator) -> None:
    """Create the tables, capture them, and change them as was done under the eyes of Debezium's engine."""
    async with connected(database.url) as owner:
        await owner.execute("SET timezone = 'UTC'")
        await owner.execute((GOLDEN / "types.sql").read_text())
        await operator.says("migrate", "--table", "public.*", "--table", "sales.*")
        for statement in statements(GOLDEN / "operations.sql"):
            await owner.execute(statement)


def sinks(runs: Mapping[str, Mapping[str, str]], directory: Path) -> list[str]:
    """For each run the arguments that have its records written to a file of its name."""
    found = []
    for run, options in runs.items():
        query = urlencode({"format": "debezium", "topic.prefix": "srv", **options})
        found += ["--sink", f"{run}=file:{directory / run}?{query}"]
    return found


def fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """The members by name, those of objects as ``after.id``; without those that tell positions."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": inner_value for inner, inner_value in value.items()}
        else:
            found[name] = value
    return {name: value for name, value in found.items() if not POSITIONS.fullmatch(name)}


def by_table(records: Sequence[Any]) -> dict[str, list[dict[str, Any]]]:
    """The fields of the records of each table, in their order."""
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record["op"] != "m":
            tables[f"{record['source']['schema']}.{record['source']['table']}"].append(fields(record))
    return tables


def of_engine(run: str) -> dict[str, list[dict[str, Any]]]:
    """What the engine made: its records of changes, without tombstones."""
    lines = (GOLDEN / f"{'default' if run == 'exact' else run}.jsonl").read_bytes().splitlines()
    values = [json.loads(line)["value"] for line in lines]
    records = by_table([value for value in values if value and "op" in value])
    records.pop("public.extension_types", None)
    return records


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The fields that are not the same. An image that is there on one side alone is one difference."""
    for name in sorted({*ours, *theirs}):
        image = name.partition(".")[0]
        if image in ("before", "after") and (image in ours) != (image in theirs):
            name = image
        pair = ours.get(name, ABSENT), theirs.get(name, ABSENT)
        if pair[0] != pair[1] or type(pair[0]) is not type(pair[1]):
            yield name, *pair


async def test_records_are_those_of_debeziums_own_engine_but_for_known_differences(
    database: Database, tmp_path: Path
) -> None:
    operator = Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path)
    await operate(database, operator)
    await operator.says("listen", "--once", *sinks(RUNS, tmp_path))

    surprises, needed = [], set()
    for run in RUNS:
        records = [json.loads(line) for line in (tmp_path / run).read_bytes().splitlines()]
        ours, theirs = by_table(records), of_engine(run)
        for table, expected in theirs.items():
            assert len(ours[table]) == len(expected), (run, table)
            for mine, other in zip(ours[table], expected, strict=True):
                mine["source.db"] = "app" if mine["source.db"] == database.name else "another"
                if "transaction.id" in mine:
                    mine["transaction.id"] = other["transaction.id"] = "a transaction"
                for field, *values in differences(mine, other):
                    known = [
                        number
                        for number, known in enumerate(DIFFERENCES)
                        if all(map(re.fullmatch, known[:3], (run, table, field)))
                    ]
                    needed |= set(known)
                    if not known:
                        surprises.append((run, table, field, *values))
    assert not surprises, "\n".join(map(str, surprises))
    assert [known.reason for number, known in enumerate(DIFFERENCES) if number not in needed] == []


# What Debezium's values of a type are in JSON by default, null apart.
KINDS: Mapping[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "bigint": int,
    "oid": int,
    "double precision": (float, str),
    "numeric": dict,
    "money": str,
    "bytea": str,
    "date": int,
    "time without time zone": int,
    "time with time zone": str,
    "timestamp without time zone": int,
    "timestamp with time zone": str,
    "interval": int,
    "json": str,
    "jsonb": str,
    "bit varying": str,
    "point": dict,
    "public.pair": str,
    "public.nested": str,
}


def loaded(line: bytes) -> Any:
    """A record. A number that Python will not read for its length is a text."""
    return json.loads(line, parse_int=lambda digits: int(digits) if len(digits) <= 4300 else digits)


async def test_every_type_of_postgresql_has_a_record_in_every_mode(database: Database, tmp_path: Path) -> None:
    operator = Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path)
    async with connected(database.url) as owner:
        await owner.execute(every_type.SCHEMA)
        plain, careful, *_ = type_tables(await every_type.types(owner, without=()), ())
        for table in (plain, careful):
            await owner.execute(table.create)
        await operator.says("migrate", "--table", "public.*")
        for statement in (*plain.first, *careful.first):
            await owner.execute(statement)
    await operator.says("listen", "--once", "--sink", f"native=file:{tmp_path}/native", *sinks(RUNS, tmp_path))

    images = [loaded(line)["after"] for line in (tmp_path / "native").read_bytes().splitlines()]
    for run in RUNS:
        records = [loaded(line) for line in (tmp_path / run).read_bytes().splitlines()]
        assert len(records) == len(images)
        told = [record["after"].keys() for record in records]
        assert run == "exact" or told == [image.keys() for image in images]
    for line in (tmp_path / "default").read_bytes().splitlines():
        row = loaded(line)["after"]
        for name, kind in KINDS.items():
            assert row.get(name) is None or isinstance(row[name], kind), (name, row[name])


async def test_large_rows_are_numbered_in_their_transaction_as_all_others(database: Database, tmp_path: Path) -> None:
    operator = Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path)
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE public.note (id integer PRIMARY KEY, text text)")
        await operator.says("migrate", "--table", "public.note")
        # Every second one is left in the database until it is sent.
        rows = "SELECT id, repeat('x', CASE WHEN id % 2 = 0 THEN 1200000 ELSE 1 END) FROM generate_series(1, 5) AS id"
        await owner.execute(f"INSERT INTO public.note {rows}")
        await owner.execute("UPDATE public.note SET text = text || 'y'")
    options = "format=debezium&provide.transaction.metadata=true"
    await operator.says("listen", "--once", "--sink", f"file:{tmp_path}/out?{options}")

    records = [json.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    assert [record["after"]["id"] for record in records] == [1, 2, 3, 4, 5] * 2
    assert [record["transaction"]["data_collection_order"] for record in records] == [1, 2, 3, 4, 5] * 2


async def test_changes_of_transactions_at_the_same_time_are_numbered_in_each(
    database: Database, tmp_path: Path
) -> None:
    operator = Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path)
    async with connected(database.url) as one, connected(database.url) as other:
        await one.execute("CREATE TABLE public.note (id integer PRIMARY KEY)")
        await operator.says("migrate", "--table", "public.note")
        for session in (one, other):
            await session.execute("BEGIN")
        for id in range(1, 7):
            await (one if id % 2 else other).execute(f"INSERT INTO public.note VALUES ({id})")
        for session in (one, other):
            await session.execute("COMMIT")
    options = "format=debezium&provide.transaction.metadata=true"
    await operator.says("listen", "--once", "--sink", f"file:{tmp_path}/out?{options}")

    records = [json.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    orders = {record["after"]["id"]: record["transaction"]["data_collection_order"] for record in records}
    assert orders == {1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}
