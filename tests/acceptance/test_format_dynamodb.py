"""`format=dynamodb`, as `forwarder listen` delivers it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.shared.dynamodb_deserializer import TypeDeserializer
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from tests.capture import capture
from tests.databases import Database, connected
from tests.listening import CREDENTIALS, Operator, Served
from tests.support import every_type

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.url) as connection:
        yield connection


@pytest.fixture
def operator(database: Database, tmp_path: Path) -> Operator:
    return Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path)


def records_in(file: Path) -> Sequence[Any]:
    return [json.loads(line, parse_int=Decimal, parse_float=Decimal) for line in file.read_bytes().splitlines()]


async def test_each_operation_of_a_row_is_an_event_and_those_of_the_table_are_left_out(
    owner: Connection, operator: Operator, tmp_path: Path
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, price numeric(10,2), photo bytea)")
    await capture(owner, "public.item")
    for statement in (
        r"INSERT INTO public.item VALUES (1, 1.50, '\x00ff')",
        "UPDATE public.item SET price = 2",
        "UPDATE public.item SET price = price",
        "UPDATE public.item SET id = 2",
        "DELETE FROM public.item",
        "TRUNCATE public.item",
    ):
        await owner.execute(statement)
    await operator.says("listen", "--once", "--sink", f"file:{tmp_path}/out.jsonl?format=dynamodb")

    records = records_in(tmp_path / "out.jsonl")
    first, second = {"id": {"N": "1"}, "photo": {"B": "AP8="}}, {"id": {"N": "2"}, "photo": {"B": "AP8="}}
    cheap, dear = {"price": {"N": "1.5"}}, {"price": {"N": "2"}}
    assert [
        (record["eventName"], record["dynamodb"].get("OldImage"), record["dynamodb"].get("NewImage"))
        for record in records
    ] == [
        ("INSERT", None, first | cheap),
        ("MODIFY", first | cheap, first | dear),
        ("REMOVE", first | dear, None),
        ("INSERT", None, second | dear),
        ("REMOVE", second | dear, None),
    ]
    assert [record["dynamodb"]["Keys"]["id"]["N"] for record in records] == ["1", "1", "1", "2", "2"]
    assert [record.get("forwarder") for record in records[2:4]] == [{"moved_to": {"id": 2}}, {"moved_from": {"id": 1}}]
    assert [record["awsRegion"] for record in records] == [""] * 5
    said = (tmp_path / "run1" / "stderr").read_text()
    assert "TRUNCATE" in said


async def test_a_stream_is_told_with_its_region(
    owner: Connection, database: Database, served: Served, tmp_path: Path
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    await capture(owner, "public.item")
    await owner.execute("INSERT INTO public.item VALUES (1)")
    env = {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "AWS_REGION": "eu-north-1"}
    sink = served.sink.replace("region=us-east-1&", "")
    await Operator(env, tmp_path).says("listen", "--once", "--sink", f"{sink}&format=dynamodb")

    [record] = [DynamoDBRecord(json.loads(data)) for data in served.data()]
    assert record.aws_region == "eu-north-1"
    assert record.dynamodb
    assert record.dynamodb.keys == {"id": 1}


async def test_values_of_every_type_come_back_as_they_are(
    owner: Connection, operator: Operator, tmp_path: Path
) -> None:
    await owner.execute(every_type.SCHEMA)
    types = await every_type.types(owner, without=())
    columns = {name: values for type in types for name, values in type.columns.items()}
    names = [f'"{number}"' for number in range(len(columns))]
    definitions = ", ".join(f"{name} {type}" for name, type in zip(names, columns, strict=True))
    await owner.execute(f"CREATE TABLE public.every_type (id integer PRIMARY KEY, {definitions})")
    await capture(owner, "public.every_type")
    for row in range(max(map(len, columns.values()))):
        values = ", ".join(values[row % len(values)] for values in columns.values())
        await owner.execute(f"INSERT INTO public.every_type VALUES ({row}, {values})")
    (tmp_path / "forwarder.toml").write_text(
        f'[[sink]]\nname = "native"\nurl = "file:{tmp_path}/native.jsonl"\n'
        f'[[sink]]\nname = "dynamodb"\nurl = "file:{tmp_path}/dynamodb.jsonl?format=dynamodb"\n'
    )
    await operator.says("listen", "--once", "--config", f"{tmp_path}/forwarder.toml")

    rows = [record["after"] for record in records_in(tmp_path / "native.jsonl")]
    images = [record["dynamodb"]["NewImage"] for record in records_in(tmp_path / "dynamodb.jsonl")]
    assert len(rows) == len(images) > 3
    for row, image in zip(rows, images, strict=True):
        assert row.keys() == image.keys()
        for name, value in row.items():
            assert means(image[name], value), (name, value, image[name])
            TypeDeserializer().deserialize(image[name])


def means(attribute: Any, value: Any) -> bool:
    """Whether this attribute value says what PostgreSQL's JSON says."""
    [(kind, content)] = attribute.items()
    match kind:
        case "NULL":
            return value is None
        case "BOOL":
            return bool(content == value)
        case "N" if isinstance(value, str):
            return Decimal(content) == Decimal(value.replace("$", "").replace(",", ""))
        case "N":
            return Decimal(content) == Decimal(value)
        case "B":
            return bool(f"\\x{b64decode(content).hex()}" == value)
        case "L":
            return all(means(*pair) for pair in zip(content, value, strict=True))
        case "M":
            return bool(content.keys() == value.keys() and all(means(content[name], value[name]) for name in value))
        case _:
            return bool(content == value if isinstance(value, str) else Decimal(content) == value)
