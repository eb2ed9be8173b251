"""What a consumer makes of a load, whatever format tells of it: rows are newer than changes of their seq, and none is dropped but a repeat."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from forwarder.config.formats import FORMATS, format_of
from forwarder.config.sink_url import Framing
from forwarder.consumer import Change, Deduplicator, OrderCheck, Transactions, decode
from forwarder.events import Event
from forwarder.records.formats.catalogue import record_format
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origin, Origins
from tests.support.loads import LOG, SEQ, beginning, end, row

PROVENANCE = Provenance(origins=Origins([Origin(0, "7312459/16384")]), database="shop")
NEW = {"id": 42, "status": "new"}
OPTIONS = {"lambda": {"id": "true", "table": "true"}, "dynamodb": {"tableName": "schema.table"}}
# DMS and DynamoDB have no record of a load's beginning and end.
WITH_MARKS = [name for name in FORMATS if name not in ("dms", "dynamodb")]
# DMS gives neither an id nor a position to the rows of a full load.
WITH_REPEATS = [name for name in FORMATS if name != "dms"]


def read(name: str, *events: Event, framing: Framing = Framing()) -> list[Change]:  # noqa: B008
    encode = record_format(format_of(name, OPTIONS.get(name, {})), framing, PROVENANCE).encode
    return [change for data in encode(events) for change in decode(data)]


def update(seq: int) -> Event:
    image = '{"id":42,"status":"paid"}'
    return replace(
        row(), op=b"U", seq=seq, txid=9, index=1, count=1, before=image, after=image, extra=None, reading=None
    )


@pytest.mark.parametrize("framing", [Framing(), Framing(newline=True, compression="gzip"), Framing(compression="zstd")])
@pytest.mark.parametrize("name", FORMATS)
def test_a_row_that_is_loaded_is_read_as_one(name: str, framing: Framing) -> None:
    [found] = read(name, row(), framing=framing)
    assert (found.op, found.table, found.before, found.after) == ("read", "orders", None, NEW)
    assert (found.txid, found.tx_index, found.tx_count) == (None, None, None)
    assert found.load == (None if name == "dms" else {"number": 7})
    assert found.seq == (None if name == "dms" else SEQ)


@pytest.mark.parametrize("name", WITH_MARKS)
def test_the_beginning_and_the_end_of_a_load_are_read(name: str) -> None:
    first, last = read(name, beginning(), end())
    assert [(one.op, one.schema, one.table) for one in (first, last)] == [("load", "public", "orders")] * 2
    assert first.load == {"number": 7, "state": "began"}
    assert last.load == {"number": 7, "state": "finished", "rows": 2500}


@pytest.mark.parametrize("name", WITH_REPEATS)
def test_a_chunk_that_comes_again_is_dropped_and_a_later_load_is_not(name: str) -> None:
    events = [beginning(), row(), row(43), end(), beginning(load=8), row(load=8), row(43, load=8), end(load=8)]
    stream = read(name, *events)
    assert list(Deduplicator().new([*stream[:3], *stream])) == stream


@pytest.mark.parametrize("name", WITH_REPEATS)
def test_equal_rows_of_a_table_without_a_key_all_count(name: str) -> None:
    image = '{"id":1,"status":"new"}'
    stream = read(name, row(1, of=LOG, after=image), row(2, of=LOG, after=image))
    assert list(Deduplicator().new([*stream, *stream])) == stream


@pytest.mark.parametrize("name", ["native", "cloudevents"])
def test_a_row_replaces_changes_up_to_its_seq_and_is_replaced_by_all_later_ones(name: str) -> None:
    older, same, read_row, newer = read(name, update(SEQ - 1), update(SEQ), row(), update(SEQ + 1))
    assert list(Deduplicator().new([older, same, read_row, older, same, newer])) == [older, same, read_row, newer]
    # Then the last change is as new as the row.
    assert list(Deduplicator().new([newer, read_row])) == [newer]
    assert list(Deduplicator(by_id=True).new([newer, read_row])) == [newer, read_row]


@pytest.mark.parametrize("name", ["native", "cloudevents"])
def test_a_row_that_was_set_aside_replaces_nothing_and_holds_no_later_change_back(name: str) -> None:
    letter, other, late = read(name, replace(row(), reading=None, seq=SEQ + 1000), row(43), update(SEQ + 10))
    assert letter.load == {"number": 7}
    assert list(Deduplicator().new([late, letter])) == [late]
    assert list(Deduplicator().new([letter, letter, other, late])) == [letter, other, late]


def test_a_row_of_a_load_that_knows_no_seq_is_new() -> None:
    [first] = read("native", row(seq=0))
    assert list(Deduplicator().new([first, first])) == [first]


@pytest.mark.parametrize("name", ["native", "cloudevents"])
def test_the_order_of_a_row_and_its_changes_is_checked(name: str) -> None:
    older, read_row, newer = read(name, update(SEQ - 1), row(), update(SEQ + 1))

    def verdicts(*changes: Change) -> list[str]:
        check = OrderCheck()
        return [check.add(one) for one in changes]

    assert verdicts(older, read_row, read_row, newer) == ["new", "new", "repeat", "new"]
    # Changes of before the row may have a higher seq, and those after it may not have a lower one.
    assert verdicts(newer, read_row) == ["new", "new"]
    assert verdicts(read_row, older) == ["new", "late"]
    assert verdicts(newer, read_row, older) == ["new", "new", "late"]


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_load_has_read_completes_no_transaction(name: str) -> None:
    transactions = Transactions()
    assert not any(map(transactions.add, read(name, beginning(), row(), end())))
    assert transactions.incomplete() == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_that_could_not_be_read_is_one_of_the_load(name: str) -> None:
    [found] = read(name, row(after=None, fault="54000", key='{"id":42}'))
    assert (found.op, found.after, found.fault) == ("read", None, "54000")
