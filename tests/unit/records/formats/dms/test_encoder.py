"""Records of changes. What is compared with records that DMS wrote stands in tests/unit/records/formats/dms/test_samples.py."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from forwarder.config.partition_key import KeyKind, KeyRule
from forwarder.config.table_mappings.object_mapping import ObjectMapping
from tests.support.loads import LOG, row
from tests.unit.records.formats.dms.changes import DELETE, FOO, INSERT, change, line, record, table

BEFORE: dict[str, Any] = {"EnableBeforeImage": True}


def test_a_record_has_the_members_of_dms_in_their_order() -> None:
    assert line(change()) == (
        '{"data":{"id":42,"name":"John","age":33,"attributes":"{\\"foo\\": \\"bar\\"}"},'
        '"metadata":{"timestamp":"2026-01-02T03:04:05.123456Z","record-type":"data","operation":"update",'
        '"partition-key-type":"primary-key","schema-name":"public","table-name":"foo","transaction-id":1140}}'
    )


def test_every_detail_has_its_place() -> None:
    committed = change(committed_at=820_638_246_000_000)
    assert line(committed, IncludeTransactionDetails=True, IncludePartitionValue=True, **BEFORE) == (
        '{"data":{"id":42,"name":"John","age":33,"attributes":"{\\"foo\\": \\"bar\\"}"},"before-image":{"id":42},'
        '"metadata":{"timestamp":"2026-01-02T03:04:05.123456Z","record-type":"data","operation":"update",'
        '"partition-key-type":"primary-key","partition-key-value":"public.foo.42","schema-name":"public","table-name":"foo",'
        '"transaction-id":1140,"transaction-record-id":1,"commit-timestamp":"2026-01-02T03:04:06.000000Z",'
        '"stream-position":"00000002/7C007328.1.00000002/7C007328"}}'
    )


@pytest.mark.parametrize(
    ("changes", "operation"),
    [(INSERT, "insert"), ({}, "update"), (DELETE, "delete"), ({"op": b"R", "before": None}, "load")],
)
def test_each_operation_on_a_row_has_the_word_of_dms(changes: dict[str, Any], operation: str) -> None:
    metadata = record(change(**changes))["metadata"]
    assert (metadata["record-type"], metadata["operation"]) == ("data", operation)
    assert ("transaction-id" in metadata) is (operation != "load")


def test_a_row_that_is_loaded_goes_by_its_own_key_where_changes_go_by_their_transaction() -> None:
    metadata = record(row(), key_kind="transaction", IncludePartitionValue=True)["metadata"]
    assert (metadata["partition-key-type"], metadata["partition-key-value"]) == ("primary-key", "public.orders.42")
    of_table = record(row(of=LOG), key_kind="transaction", IncludePartitionValue=True)["metadata"]
    assert of_table["partition-key-type"] == "schema-table"


def test_a_place_in_the_transaction_that_nobody_knows_is_left_out() -> None:
    metadata = record(change(index=0, count=None), IncludeTransactionDetails=True)["metadata"]
    assert "transaction-record-id" not in metadata


def test_positions_sort_as_the_changes_do() -> None:
    seqs = [1, 9, 10, 0xFFFFFFFF, 0x1_00000000, 0x7FFFFFFF_FFFFFFFF]
    positions = [record(change(seq=seq), IncludeTransactionDetails=True)["metadata"]["stream-position"] for seq in seqs]
    assert positions == sorted(positions)


def test_records_of_a_table_without_a_key_go_by_the_table() -> None:
    keyless = change(table=replace(FOO, key_columns=()), key=None, key_values=None)
    metadata = record(keyless, IncludePartitionValue=True)["metadata"]
    assert metadata["partition-key-type"] == "schema-table"
    assert "partition-key-value" not in metadata


@pytest.mark.parametrize(
    ("kind", "type"),
    [
        ("primary-key", "primary-key"),
        ("table", "schema-table"),
        ("transaction", "transaction-id"),
        ("constant", "constant"),
        ("column", "attribute-name"),
        ("template", "attribute-name"),
    ],
)
def test_the_kind_of_partition_key_has_the_word_of_dms(kind: KeyKind, type: str) -> None:
    assert record(change(), key_kind=kind)["metadata"]["partition-key-type"] == type


@pytest.mark.parametrize(
    ("kind", "type"), [("column", "schema-table"), ("template", "schema-table"), ("transaction", "transaction-id")]
)
def test_what_concerns_a_whole_table_goes_by_the_table_where_rows_go_by_columns(kind: KeyKind, type: str) -> None:
    truncate = change(op=b"T", after=None, before=None, key=None, key_values=None)

    assert record(truncate, key_kind=kind)["metadata"]["partition-key-type"] == type


@pytest.mark.parametrize(
    ("op", "kind", "told"),
    [
        (op, kind, told)
        for op in (b"T", b"S")
        for kind, told in (
            ("constant", ("constant", "all")),
            ("transaction", ("transaction-id", "1140")),
            ("primary-key", ("schema-table", None)),
        )
    ],
)
def test_a_control_record_tells_the_partition_key_that_it_has(
    op: bytes, kind: KeyKind, told: tuple[str, str | None]
) -> None:
    of_table = change(op=op, after=None, before=None, key=None, key_values=None)
    options = {"IncludePartitionValue": True, "IncludeTableAlterOperations": True}

    metadata = record(of_table, key_rule=KeyRule(kind=kind, constant="all"), **options)["metadata"]

    assert (metadata["partition-key-type"], metadata.get("partition-key-value")) == told


@pytest.mark.parametrize(
    ("type", "told"), [("constant", ("constant", "all")), ("attribute-name", ("schema-table", None))]
)
def test_a_control_record_tells_the_partition_key_that_a_mapping_gives_it(
    type: Literal["constant", "attribute-name"], told: tuple[str, str | None]
) -> None:
    truncate = change(op=b"T", after=None, before=None, key=None, key_values=None)
    mapping = ObjectMapping(rule_id="1", shape="record", partition_key_type=type, partition_key_name="all")

    metadata = record(truncate, mapping=mapping, IncludePartitionValue=True)["metadata"]

    assert (metadata["partition-key-type"], metadata.get("partition-key-value")) == told


def test_a_row_that_is_not_in_its_record_goes_by_its_key() -> None:
    metadata = record(change(after=None, omitted=("after",)), IncludePartitionValue=True)["metadata"]
    assert metadata["operation"] == "row-omitted"
    assert (metadata["partition-key-type"], metadata["partition-key-value"]) == ("primary-key", "public.foo.42")


def test_nulls_are_left_out_unless_they_are_asked_for() -> None:
    empty = change(after='{"id":42,"name":"","age":null,"attributes":null}')
    assert record(empty)["data"] == {"id": 42, "name": ""}
    everything = {"id": 42, "name": "", "age": None, "attributes": None}
    assert record(empty, IncludeNullAndEmpty=True)["data"] == everything
    assert record(empty, exact=True)["data"] == {"id": 42}


def test_a_delete_has_the_whole_old_row_and_exactly_the_key_alone() -> None:
    delete = change(**DELETE)
    assert record(delete)["data"] == {"id": 42, "name": "John", "attributes": '{"foo": "bar"}'}
    assert record(delete, exact=True)["data"] == {"id": 42}
    nulls = {"id": 42, "name": None, "age": None, "attributes": None}
    assert record(delete, exact=True, IncludeNullAndEmpty=True)["data"] == nulls


def test_a_delete_of_a_table_without_old_rows_has_the_key() -> None:
    without = table(*FOO.columns, before_image="none")
    assert record(change(**DELETE, table=without))["data"] == {"id": 42}


@pytest.mark.parametrize(
    ("column_filter", "old"),
    [
        ("pk-only", {"id": 42}),
        ("non-lob", {"id": 42}),
        ("all", {"id": 42, "name": "John", "attributes": '{"foo": "bar"}'}),
    ],
)
def test_a_before_image_has_the_columns_that_are_asked_for(column_filter: str, old: dict[str, Any]) -> None:
    assert record(change(), **BEFORE, ColumnFilter=column_filter)["before-image"] == old


def test_a_before_image_is_that_of_an_update_and_has_the_name_that_is_asked_for() -> None:
    assert record(change(), **BEFORE, FieldName="old")["old"] == {"id": 42}
    assert "before-image" not in record(change(**INSERT), **BEFORE)
    assert "before-image" not in record(change(**DELETE), **BEFORE)
    assert "before-image" not in record(change())


def test_exactly_the_before_image_of_a_row_that_keeps_its_key_is_empty() -> None:
    assert record(change(), **BEFORE, exact=True)["before-image"] == {}


class TestMove:
    """An update of the key from 46 to 42."""

    GONE = change(**DELETE, key='{"id":46}', key_values="46", before='{"id":46}', moved='{"id":42}')
    COME = change(**INSERT, moved='{"id":46}')

    def test_without_before_images_it_is_a_delete_and_an_insert(self) -> None:
        assert record(self.GONE)["metadata"]["operation"] == "delete"
        assert record(self.GONE)["data"] == {"id": 46}
        assert record(self.COME)["metadata"]["operation"] == "insert"

    def test_with_before_images_it_is_an_update_that_tells_the_old_key(self) -> None:
        update = record(self.COME, **BEFORE)
        assert update["metadata"]["operation"] == "update"
        assert update["before-image"] == {"id": 46}
        assert update["data"]["id"] == 42

    def test_the_old_key_is_deleted_in_its_lane_unless_the_table_is_one_lane(self) -> None:
        assert record(self.GONE, **BEFORE)["metadata"]["operation"] == "delete"
        assert record(self.GONE, **BEFORE, key_kind="table") is None
        assert record(self.GONE, **BEFORE, key_kind="constant") is None
        assert record(self.GONE, **BEFORE, key_kind="column") is not None

    def test_exactly_it_is_an_update_alone(self) -> None:
        assert record(self.GONE, exact=True) is None
        assert record(self.COME, exact=True)["metadata"]["operation"] == "update"
        assert record(self.COME, exact=True, **BEFORE)["before-image"] == {"id": 46}


@pytest.mark.parametrize(
    ("changes", "operation", "told"),
    [
        ({"op": b"T"}, "truncate-table", None),
        ({"op": b"T", "partition": "foo_2026"}, "truncate-partition", {"partition": "foo_2026"}),
        ({"op": b"G", "fault": "capture paused"}, "gap", {"fault": "capture paused"}),
    ],
)
def test_what_dms_does_not_tell_is_a_control_record_and_exactly_nothing(
    changes: dict[str, Any], operation: str, told: Any
) -> None:
    event = change(before=None, after=None, key=None, key_values=None, **changes)
    written = record(event)
    assert (written["metadata"]["record-type"], written["metadata"]["operation"]) == ("control", operation)
    assert written["metadata"]["partition-key-type"] == "schema-table"
    assert written.get("forwarder") == told
    assert "data" not in written
    assert "control" not in written
    assert record(event, IncludeControlDetails=True)["control"] == {}
    assert record(event, exact=True) is None


@pytest.mark.parametrize("exact", [False, True])
def test_a_row_that_is_not_in_its_record_is_no_data_record(*, exact: bool) -> None:
    lost = record(change(before=None, after=None, fault="54000"), exact=exact)
    assert (lost["metadata"]["record-type"], lost["metadata"]["operation"]) == ("control", "row-omitted")
    assert lost["forwarder"] == {"operation": "update", "key": {"id": 42}, "fault": "54000"}


def test_no_excluded_column_is_in_the_key_of_a_row_that_is_not_in_its_record() -> None:
    mapping = ObjectMapping(rule_id="1", shape="record").excluding(frozenset(("tenant",)))
    lost = {"before": None, "after": None, "fault": "54000", "key": '{"id":42,"tenant":7777777}'}
    update = record(change(**lost), mapping=mapping)
    assert update["forwarder"] == {"operation": "update", "key": {"id": 42}, "fault": "54000"}
    # What a key became by an update that moved the row: of the delete that it is captured as, the key is all that is told.
    delete = record(change(**lost | {"op": b"D"}), mapping=mapping)
    assert delete["data"] == {"id": 42}
    moved = change(**lost | {"op": b"I", "moved": '{"id":41,"tenant":7777776}'})
    for options in ({}, {"exact": True}, {"EnableBeforeImage": True}):
        assert "777777" not in json.dumps(record(moved, mapping=mapping, **options))


def test_an_object_mapping_shapes_rows_that_are_loaded_as_others() -> None:
    mapping = ObjectMapping(rule_id="1", shape="document").excluding(frozenset(("status",)))
    assert record(row(), mapping=mapping)["data"] == {"_doc": {"id": 42}}


def test_a_row_that_was_stored_elsewhere_is_named() -> None:
    stored = change(before=None, after=None, omitted=("before", "after"), stored_at="s3://b/k.json")
    told = record(stored)["forwarder"]
    assert (told["omitted"], told["stored_at"]) == (["before", "after"], "s3://b/k.json")


def test_an_old_row_that_was_too_large_is_told_where_it_would_be() -> None:
    dropped = change(before=None, omitted=("before",))
    written = record(dropped, **BEFORE, ColumnFilter="all")
    assert (written["before-image"], written["forwarder"]) == ({"id": 42}, {"omitted": ["before"]})
    assert "forwarder" not in record(dropped, **BEFORE)
    # By add-before-image-columns: absent members would be old nulls.
    beside = replace(dropped, table=replace(dropped.table, has_old_values=True))
    assert record(beside)["forwarder"] == {"omitted": ["before"]}


def test_a_delete_whose_old_row_is_lost_still_has_the_key() -> None:
    written = record(change(**DELETE | {"before": None, "fault": "54000"}))
    assert (written["metadata"]["operation"], written["data"]) == ("delete", {"id": 42})


def test_a_delete_whose_old_row_is_lost_has_no_nulls_for_columns_that_are_gone() -> None:
    table = replace(FOO, columns=(*FOO.columns, replace(FOO.columns[-1], name="former", is_gone=True)))
    delete = change(**DELETE | {"before": None, "fault": "54000", "table": table})
    assert record(delete, IncludeNullAndEmpty=True)["data"].keys() == {column.name for column in FOO.columns}


def test_an_event_of_the_application_is_a_row_of_a_table_of_ours() -> None:
    ours = replace(FOO, schema="forwarder", name="event", columns=(), key_columns=(("key",),))
    image = '{"key":"42","type":"order.placed","topic":null,"payload":"paid"}'
    written = record(change(op=b"E", table=ours, before=None, after=image, key='{"key":"42"}'))
    assert written["data"] == {"key": "42", "type": "order.placed", "payload": '"paid"'}
    assert written["metadata"]["schema-name"] == "forwarder"
    assert written["metadata"]["operation"] == "insert"


def test_message_format_json_is_indented_with_tabs_and_means_the_same() -> None:
    written = line(change(), MessageFormat="json")
    assert written.startswith('{\n\t"data":\t{\n\t\t"id":\t42,\n')
    assert json.loads(written) == record(change())


def test_names_are_escaped() -> None:
    named = replace(FOO, schema='a"b', name="\u00e4\n")
    metadata = record(change(table=named))["metadata"]
    assert (metadata["schema-name"], metadata["table-name"]) == ('a"b', "\u00e4\n")


def test_a_row_with_line_breaks_between_the_tokens_of_json_is_one_line() -> None:
    broken = change(after='{"id":42,"attributes":{\n"foo":\r\n1}}')
    assert "\n" not in line(broken)
    assert json.loads(record(broken)["data"]["attributes"]) == {"foo": 1}
