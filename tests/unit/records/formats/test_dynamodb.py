from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from aws_lambda_powertools.shared.dynamodb_deserializer import TypeDeserializer
from aws_lambda_powertools.utilities.data_classes import KinesisStreamEvent
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.parser.models import DynamoDBStreamRecordModel
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forwarder.config.formats import DynamoDb
from forwarder.events import CapturedTable, Event
from forwarder.records.formats.dynamodb import encoder
from forwarder.records.formats.encoder import Encoder, Provenance
from forwarder.records.origins import Origin, Origins
from tests.support import events
from tests.support.events import column
from tests.support.peer_samples import lines_of, needs_samples

ORDERS = events.table(
    "orders", column("id", "int8"), column("price", "numeric"), column("note", "text"), column("paid", "bool")
)
OLD, NEW = '{"id":42,"price":1.10,"note":"a","paid":false}', '{"id":42,"price":1.20,"note":null,"paid":true}'
OLD_IMAGE = {"id": {"N": "42"}, "price": {"N": "1.1"}, "note": {"S": "a"}, "paid": {"BOOL": False}}
NEW_IMAGE = {"id": {"N": "42"}, "price": {"N": "1.2"}, "note": {"NULL": True}, "paid": {"BOOL": True}}
event = partial(events.event, table=ORDERS, before=OLD, after=NEW)


def encoder_of(**options: Any) -> Encoder:
    origins = Origins([Origin(1_000_000, "7312459/2"), Origin(0, "7312459")])
    return encoder(Provenance(origins=origins, database="shop", region="eu-west-1"), DynamoDb(**options))


def encode(event: Event, **options: Any) -> Any:
    [record] = encoder_of(**options)([event])
    return json.loads(record)


def test_an_update_is_a_record_as_kinesis_data_streams_for_dynamodb_writes_it() -> None:
    [record] = encoder_of()([event()])

    assert record.decode() == (
        '{"awsRegion":"eu-west-1","eventID":"20d9130d-ae3e-8ac6-8000-0000000414f1","eventName":"MODIFY","userIdentity":null,'
        '"recordFormat":"application/json","tableName":"orders","dynamodb":{"ApproximateCreationDateTime":1767323045123,'
        '"Keys":{"id":{"N":"42"}},'
        '"NewImage":{"id":{"N":"42"},"price":{"N":"1.2"},"note":{"NULL":true},"paid":{"BOOL":true}},'
        '"OldImage":{"id":{"N":"42"},"price":{"N":"1.1"},"note":{"S":"a"},"paid":{"BOOL":false}},"SizeBytes":46},'
        '"eventSource":"aws:dynamodb"}'
    )


def test_a_record_has_the_members_of_real_ones_in_their_order() -> None:
    record = encode(event(), timestamps="MICROSECOND")

    assert [*record] == [
        "awsRegion", "eventID", "eventName", "userIdentity", "recordFormat", "tableName", "dynamodb", "eventSource"
    ]  # fmt: skip
    assert [*record["dynamodb"]] == [
        "ApproximateCreationDateTime", "Keys", "NewImage", "OldImage", "SizeBytes", "ApproximateCreationDateTimePrecision"
    ]  # fmt: skip
    assert record["dynamodb"]["ApproximateCreationDateTime"] == 1_767_323_045_123_456
    assert record["dynamodb"]["ApproximateCreationDateTimePrecision"] == "MICROSECOND"


@pytest.mark.parametrize(
    ("op", "before", "after", "name", "images"),
    [
        (b"I", None, NEW, "INSERT", {"NewImage": NEW_IMAGE}),
        (b"R", None, NEW, "INSERT", {"NewImage": NEW_IMAGE}),
        (b"U", OLD, NEW, "MODIFY", {"NewImage": NEW_IMAGE, "OldImage": OLD_IMAGE}),
        (b"D", OLD, None, "REMOVE", {"OldImage": OLD_IMAGE}),
    ],
)
def test_an_operation_has_its_name_and_no_image_that_it_does_not_have(
    op: bytes, before: str | None, after: str | None, name: str, images: Any
) -> None:
    record = encode(event(op=op, before=before, after=after))

    assert record["eventName"] == name
    assert {key: value for key, value in record["dynamodb"].items() if key.endswith("Image")} == images


@pytest.mark.parametrize("op", [b"T", b"G", b"S"])
def test_what_concerns_a_whole_table_has_no_record(op: bytes) -> None:
    assert encoder_of()([event(op=op, key=None), event()])[0] == b""


def test_an_update_that_changes_nothing_has_no_record() -> None:
    unchanged, of_changes = event(after=OLD), event(before='{"id":42}', after=NEW, extra='"changed":[]')

    assert encoder_of()([unchanged, of_changes]) == [b"", b""]
    assert encode(event(before=None, after=None, fault="54000"))["eventName"] == "MODIFY"
    assert encode(event(extra='"changed":["price"]'))["eventName"] == "MODIFY"


@pytest.mark.parametrize(
    ("view", "images"),
    [
        ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
        ("NEW_IMAGE", {"NewImage"}),
        ("OLD_IMAGE", {"OldImage"}),
        ("KEYS_ONLY", set()),
    ],
)
def test_the_view_says_which_images_there_are_and_they_count(view: str, images: set[str]) -> None:
    stream = encode(event(), view=view)["dynamodb"]

    assert {name for name in stream if name.endswith("Image")} == images
    assert stream["SizeBytes"] == 4 + ("NewImage" in images) * 21 + ("OldImage" in images) * 21


def test_a_table_without_a_key_has_none() -> None:
    assert encode(event(key=None, key_values=None))["dynamodb"]["Keys"] == {}


def test_old_rows_of_a_table_that_keeps_none_are_not_told() -> None:
    table = replace(ORDERS, before_image="none")

    assert "OldImage" not in encode(event(table=table))["dynamodb"]
    assert encode(event(table=table, op=b"D", after=None))["dynamodb"]["Keys"] == {"id": {"N": "42"}}


def test_the_table_is_named_with_its_schema_if_asked_for() -> None:
    assert encode(event(), tableName="schema.table")["tableName"] == "public.orders"


def test_an_event_of_the_application_is_an_item_of_a_table_of_events() -> None:
    table = CapturedTable(id=2, relation=1, schema="forwarder", name="event", key_columns=(), before_image="full")
    after = '{"key":"42","type":"order.placed","topic":null,"payload":{"total":10.50}}'
    record = encode(event(op=b"E", table=table, key='{"key":"42"}', before=None, after=after))

    assert (record["eventName"], record["tableName"]) == ("INSERT", "event")
    assert record["dynamodb"]["Keys"] == {"key": {"S": "42"}}
    assert record["dynamodb"]["NewImage"]["payload"] == {"M": {"total": {"N": "10.5"}}}
    assert record["forwarder"] == {"op": "event"}


@pytest.mark.parametrize(("schema", "name"), [("public", "order.items"), ("my.shop", "orders"), ("public", "a/b")])
def test_a_name_that_could_be_read_in_two_ways_is_told_in_parts_too(schema: str, name: str) -> None:
    table = CapturedTable(id=2, relation=1, schema=schema, name=name, key_columns=(("id",),), before_image="full")
    record = encode(event(table=table, fault="54000"))
    assert record["forwarder"] == {"schema": schema, "table": name, "fault": "54000"}


def test_the_id_is_a_uuid_that_is_the_same_over_every_resend_and_of_each_change_its_own() -> None:
    seqs = (1, 2, 4096, 999_999, 1_000_000, 1_000_001, 2**48, 2**48 + 1, 2**61)
    ids = [record["eventID"] for record in map(json.loads, encoder_of()([event(seq=seq) for seq in seqs]))]

    assert [encode(event(seq=seq))["eventID"] for seq in seqs] == ids
    assert len(set(ids)) == len(seqs)
    assert all(str(uuid.UUID(id)) == id and uuid.UUID(id).variant == uuid.RFC_4122 for id in ids)
    assert [uuid.UUID(id).version for id in ids] == [8] * len(ids)


def test_what_dynamodb_has_no_place_for_stands_behind_all_it_has() -> None:
    bare = event(before=None, after=None, omitted=("before", "after"), stored_at="s3://bucket/key")
    moved = event(op=b"D", after=None, moved='{"id":43}', context='{\n"user":"ada"}')

    assert encode(bare)["forwarder"] == {"omitted": ["before", "after"], "stored_at": "s3://bucket/key"}
    assert encode(moved)["forwarder"] == {"moved_to": {"id": 43}, "context": {"user": "ada"}}
    assert "forwarder" not in encode(event())


def as_lambda_gets_them(records: Sequence[bytes]) -> dict[str, Any]:
    return {
        "Records": [
            {"eventID": f"shard:{number}", "kinesis": {"data": base64.b64encode(record).decode(), "partitionKey": "k"}}
            for number, record in enumerate(records)
        ]
    }


def test_a_handler_of_powertools_reads_our_records() -> None:
    payload = as_lambda_gets_them(encoder_of()([event(op=b"I", before=None), event(), event(op=b"D", after=None)]))
    records = [DynamoDBRecord(record.kinesis.data_as_json()) for record in KinesisStreamEvent(payload).records]

    assert [record.event_name and record.event_name.name for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    streams = [record.dynamodb for record in records]
    assert [stream and stream.keys for stream in streams] == [{"id": 42}] * 3
    assert streams[1]
    assert streams[1].new_image["note"] is None
    assert str(streams[1].new_image["price"]) == "1.2"
    assert streams[1].size_bytes == 46


@pytest.mark.parametrize("view", ["NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY"])
def test_the_parser_of_powertools_takes_the_records_of_a_stream(view: str) -> None:
    record = encode(event(), style="streams", view=view)
    read = DynamoDBStreamRecordModel.model_validate(record)

    assert (read.eventName, read.awsRegion, read.eventSourceARN) == (
        "MODIFY", "eu-west-1", "arn:aws:dynamodb:eu-west-1::table/orders/stream/forwarder"
    )  # fmt: skip
    assert (read.dynamodb.SequenceNumber, read.dynamodb.StreamViewType) == ("000000000000000267505", view)
    assert record["dynamodb"]["ApproximateCreationDateTime"] == 1_767_323_045
    assert record["eventID"] == encode(event())["eventID"].replace("-", "")
    assert "tableName" not in record


# Values as PostgreSQL writes them; not all of them are what the types of their columns say.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = (
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
    | st.sampled_from(["NaN", "Infinity", r"\x00ff", "$1,234.56", "4711"])
    | st.lists(st.integers(0, 9) | TEXT, max_size=3) | st.dictionaries(TEXT, st.integers(0, 9), max_size=3)
)  # fmt: skip
TYPES = ("int8", "numeric", "text", "bytea", "money", "oid", "bool", "jsonb", "hstore", "timestamptz", "float8")
COLUMNS = st.dictionaries(TEXT.filter(bool), st.sampled_from(TYPES), min_size=1, max_size=6)


@given(COLUMNS, st.data())
def test_any_row_makes_one_line_that_has_each_column_once(types: dict[str, str], data: st.DataObject) -> None:
    known = [column(name, type) for name, type in types.items() if data.draw(st.booleans())]
    table = replace(ORDERS, columns=tuple(known), key_columns=((next(iter(types)),),))
    rows = [{name: data.draw(VALUES) for name in types} for _ in range(2)]
    is_ascii = data.draw(st.booleans())
    before, after = (json.dumps(row, ensure_ascii=is_ascii, separators=(",", ":")) for row in rows)
    key = json.dumps({name: rows[1][name] for name in list(types)[:1]})

    for line in encoder_of()([event(table=table, before=before, after=after, key=key)] * 2):
        if line:
            assert len(line.split(b"\n")) == 1
            stream = json.loads(line)["dynamodb"]
            assert [*stream["NewImage"]] == [*stream["OldImage"]]
            assert {*stream["NewImage"]} == {*types}
            images = (stream["Keys"], stream["NewImage"], stream["OldImage"])
            assert stream["SizeBytes"] == sum(counted(image) for image in images)
            for image in images:
                TypeDeserializer().deserialize({"M": image})


def counted(image: dict[str, Any]) -> int:
    """The size of an image by the rules of AWS, from what it has become."""
    return sum(len(name.encode()) + counted_value(value) for name, value in image.items())


def counted_value(attribute: dict[str, Any]) -> int:
    [(kind, value)] = attribute.items()
    match kind:
        case "S":
            return len(str(value).encode("utf-8", "surrogatepass"))
        case "N":
            digits = str(value).lower().partition("e")[0].replace(".", "").strip("-0")
            return (len(digits) + 1) // 2 + (2 if value[0] == "-" else 1)
        case "B":
            return len(base64.b64decode(value))
        case "L":
            return 3 + sum(1 + counted_value(element) for element in value)
        case "M":
            return 3 + sum(1 + len(name.encode()) + counted_value(element) for name, element in value.items())
        case _:
            return 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\0", "\0"),
        ("", "{}"),
        (None, None),
        ('{"id":42,"document":"\\ud800"}', '{"id":42,"document":{"a":"\\udfff"}}'),
        ('{"id":42,"price":' + "9" * 5000 + "}", '{"id":42,"price":' + "9" * 5000 + ".5}"),
        ('{"id":42,"price":1e400}', '{"id":42,"price":-1e-400}'),
        ('{"id":42,"document":' + "[" * 2000 + "]" * 2000 + "}", '{"id":42,"gone":1}'),
        ('{"id":42,"price":' + "9" * 39 + "}", '{"id":42,"price":0.' + "1" * 39 + "}"),
    ],
    ids=["marks", "nothing", "missing", "surrogates", "very long", "very large", "very deep", "too many digits"],
)
def test_nothing_that_a_row_may_hold_is_an_error(before: str | None, after: str | None) -> None:
    for op in (b"I", b"U", b"D", b"R", b"E"):
        for record in encoder_of()([event(op=op, before=before, after=after)]):
            assert record == b"" or json.loads(record)


def test_a_percent_sign_in_a_name_or_a_value_is_itself() -> None:
    table = replace(ORDERS, columns=(column("100%s", "text"), column("%", "int4")))

    assert encode(event(table=table, after='{"100%s":"%d","%":7}'))["dynamodb"]["NewImage"] == {
        "100%s": {"S": "%d"},
        "%": {"N": "7"},
    }


def test_rows_that_have_other_values_and_columns_are_each_as_they_would_be_alone() -> None:
    rows = [
        NEW,
        '{"id":43,"price":"NaN","note":"é","paid":null}',
        '{"id":44,"price":null}',
        '{"id":45,"price":7,"note":"\\"","paid":true}',
        '{"id":46,"price":1e+20,"note":"%","paid":"***"}',
        '{"id":47,"more":[1]}',
        NEW,
    ]
    events = [event(after=row) for row in rows]

    assert encoder_of()(events) == [encoder_of()([event])[0] for event in events]


@needs_samples
@pytest.mark.parametrize(
    ("kind", "style", "additional"),
    [
        ("kinesis-data-streams-for-dynamodb", "kinesis", set()),
        ("dynamodb-streams", "streams", {"eventSourceARN"}),
        ("moto", "streams", {"eventSourceARN"}),
    ],
)
def test_a_record_has_the_members_of_those_that_others_wrote(kind: str, style: str, additional: set[str]) -> None:
    samples = [sample for sample in map(json.loads, lines_of("dynamodb-samples")) if sample["_kind"] == kind]
    operations = {
        "INSERT": event(op=b"I", before=None),
        "MODIFY": event(),
        "REMOVE": event(op=b"D", after=None),
    }

    for sample in samples:
        record, stream = sample["record"], sample["record"]["dynamodb"]
        unit = "MICROSECOND" if "ApproximateCreationDateTimePrecision" in stream else "MILLISECOND"
        view = stream.get("StreamViewType", "NEW_AND_OLD_IMAGES")
        ours = encode(operations[record["eventName"]], style=style, view=view, timestamps=unit)
        assert ours.keys() == record.keys() | additional
        assert ours["dynamodb"].keys() == stream.keys() | {"ApproximateCreationDateTime"}
