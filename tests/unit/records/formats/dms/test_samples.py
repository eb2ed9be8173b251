"""The same rows as in records that AWS DMS wrote to Kinesis, which other people have put into their repositories. They are not kept here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from tests.packaging import ROOT
from tests.support.dms_consumer import DmsConsumer
from tests.unit.records.formats.dms.changes import change, column, record, table

SAMPLES = ROOT.parent / "shared" / "samples" / "dms-samples.jsonl"
pytestmark = pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not here")

# In the order in which DMS has them.
METADATA = (
    "timestamp", "record-type", "operation", "partition-key-type", "partition-key-value", "schema-name", "table-name", "transaction-id",
    "transaction-record-id", "prev-transaction-id", "prev-transaction-record-id", "commit-timestamp", "stream-position",
)  # fmt: skip
# What the big capture was made with, beside before images.
DETAILS: dict[str, Any] = {
    "IncludeTransactionDetails": True,
    "IncludePartitionValue": True,
    "IncludeNullAndEmpty": True,
    "PartitionIncludeSchemaTable": True,
    "MapBooleanAsBoolean": True,
    "EnableBeforeImage": True,
    "exact": True,
}
# What depends on the moment, or is not told.
OF_THE_MOMENT = (
    "timestamp",
    "commit-timestamp",
    "stream-position",
    "prev-transaction-id",
    "prev-transaction-record-id",
)

FOO = {"id": "int4", "name": "text", "age": "int4", "attributes": "jsonb"}
JANE = '"name":"Jane","age":31,"attributes":{"baz": "qux"}'
JOHN = '"name":"John","age":33,"attributes":{"foo": "bar"}'


def samples(source: str) -> Sequence[Any]:
    found = [json.loads(line) for line in SAMPLES.read_text().splitlines()]
    return [sample["record"] for sample in found if source in sample["_source"] and isinstance(sample["record"], dict)]


def sample(source: str, operation: str, name: str) -> Any:
    return next(
        found
        for found in samples(source)
        if found["metadata"].get("operation") == operation and found["metadata"]["table-name"] == name
    )


def lasting(record: Any) -> Any:
    """A record without what depends on the moment."""
    metadata = {name: value for name, value in record["metadata"].items() if name not in OF_THE_MOMENT}
    return record | {"metadata": metadata}


class Case(NamedTuple):
    """A record of DMS, and the row that it was made of, as we have it."""

    source: str
    operation: str
    table: str
    columns: Mapping[str, str]
    changes: Mapping[str, Any]
    options: dict[str, Any] = DETAILS
    key: str | None = "id"


CASES = (
    Case("MSG_DATA_LOAD", "load", "foo", FOO, {"op": b"R", "after": f'{{"id":42,{JOHN.replace("33", "30")}}}'}),
    Case("MSG_DATA_INSERT", "insert", "foo", FOO, {"op": b"I", "after": f'{{"id":46,{JANE}}}', "txid": 1139}),
    Case("MSG_DATA_UPDATE_VALUE", "update", "foo", FOO, {"after": f'{{"id":42,{JOHN}}}', "before": f'{{"id":42,{JOHN}}}'}),
    Case(
        "MSG_DATA_UPDATE_PK",
        "update",
        "foo",
        FOO,
        {"op": b"I", "after": f'{{"id":45,{JANE}}}', "key": '{"id":45}', "moved": '{"id":46}', "txid": 1141},
    ),
    Case(
        "MSG_DATA_DELETE",
        "delete",
        "foo",
        FOO,
        {"op": b"D", "before": f'{{"id":45,{JANE}}}', "key": '{"id":45}', "txid": 1144},
    ),
    Case(
        "DMS_CDC_INSERT_BASIC",
        "load",
        "demo",
        FOO,
        {"op": b"R", "after": '{"id":393,"name":"Test","age":4,"attributes":null}', "key_values": "393"},
    ),
    Case(
        "dms_cdc_forwarder_test",
        "insert",
        "dag_run",
        {"execution_date": "timestamptz", "external_trigger": "bool", "conf": "bytea", "id": "int4", "log_template_id": "int4"}
        | dict.fromkeys(("dag_id", "state", "run_id", "run_type", "dag_hash"), "varchar")
        | dict.fromkeys(("queued_at", "data_interval_start", "data_interval_end"), "timestamptz"),
        {
            "op": b"I",
            "txid": 364547,
            "after": '{"id":2583,"dag_id":"beeflow_lambda_only","execution_date":"2022-12-18T19:28:42.442556+00:00","state":"queued",'
            '"run_id":"manual__2022-12-18T19:28:42.442556+00:00","external_trigger":true,"conf":"\\\\x80057d942e","run_type":"manual",'
            '"dag_hash":"47df48931be256c11cced337c1d5d9d8","queued_at":"2022-12-18T19:28:42.473943+00:00",'
            '"data_interval_start":"2022-12-18T19:20:00+00:00","data_interval_end":"2022-12-18T19:25:00+00:00","log_template_id":1}',
        },
        {"IncludePartitionValue": True},
    ),
    Case(
        "dms_cdc_forwarder_test",
        "delete",
        "dag_run",
        {"id": "int4", "state": "varchar"},
        {"op": b"D", "before": '{"id":2636,"state":"queued"}', "key": '{"id":2636}', "txid": 372172},
        {"exact": True},
    ),
    Case(
        "postgresql-pglogical",
        "load",
        "functional_alltypes",
        dict.fromkeys(("id", "int_col", "year", "month"), "int4")
        | dict.fromkeys(("tinyint_col", "smallint_col"), "int2")
        | dict.fromkeys(("date_string_col", "string_col"), "text")
        | {"bool_col": "bool", "bigint_col": "int8", "float_col": "float4", "double_col": "float8", "timestamp_col": "timestamp"},
        {
            "op": b"R",
            "after": '{"id":6692,"bool_col":true,"tinyint_col":2,"smallint_col":2,"int_col":2,"bigint_col":20,"float_col":2.2,"double_col":20.2,'
            '"date_string_col":"11/01/10","string_col":"2","timestamp_col":"2010-11-01T00:02:00.1","year":2010,"month":11}',
        },
        key=None,
    ),
    Case(
        "postgresql-pglogical",
        "load",
        "films",
        {"code": "bpchar", "title": "varchar", "did": "int4", "date_prod": "date", "kind": "varchar", "len": "interval"},
        {"op": b"R", "after": '{"code":"B    ","title":"Ghostbusters","did":2,"date_prod":"2018-01-02","kind":"Ghost","len":"01:30:00"}'},
        key="code",
    ),
    Case(
        "postgresql-pglogical",
        "load",
        "tzone",
        {"ts": "timestamptz", "key": "text", "value": "float8"},
        {"op": b"R", "after": '{"ts":"2017-05-29T11:01:31.000401+00:00","key":"a","value":1.1}'},
        key=None,
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.operation} {case.table}")
def test_the_same_row_is_the_same_record(case: Case) -> None:
    theirs = sample(case.source, case.operation, case.table)
    of = table(*[column(name, type) for name, type in case.columns.items()], key=case.key)
    event = change(**{"before": None, "after": None, "table": replace(of, name=case.table), **case.changes})
    is_by_key = theirs["metadata"]["partition-key-type"] == "primary-key"
    ours = record(event, key_kind="primary-key" if is_by_key else "table", **case.options)
    assert lasting(ours) == lasting(theirs)


def test_members_stand_in_the_order_of_dms() -> None:
    for written in (*samples("postgresql-pglogical"), *samples("dms_cdc_forwarder_test")):
        assert list(written["metadata"]) == [name for name in METADATA if name in written["metadata"]]
    ours = record(change(), IncludeTransactionDetails=True, IncludePartitionValue=True)["metadata"]
    assert list(ours) == [name for name in METADATA if not name.startswith("prev-")]


def test_the_consumer_of_our_tests_reads_what_dms_wrote() -> None:
    consumer = DmsConsumer(keys={"public.foo": ("id",)})
    for written in samples("test_aws_dms_universal"):
        consumer.consume(json.dumps(written))
    assert consumer.rows("public.foo") == [
        {"id": 42, "name": "John", "age": 33, "attributes": '{"foo": "bar"}'},
    ]
