from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.aws import cbor
from forwarder.sinks.kinesis import cbor_results, wire_cbor
from forwarder.sinks.kinesis.answer import Answer, answer_of, convert
from tests.support.put_records import HASH_KEYS, ROWS, records_of

STORED = st.builds(
    lambda number, shard, members: dict(
        [("SequenceNumber", number), ("ShardId", shard), *members][:: len(members) * 2 - 1]
    ),
    st.integers(0, 99).map(lambda number: f"{number:056}") | st.integers(0, 9999).map(str),
    st.integers(0, 12).map(lambda number: f"shardId-{number:012}") | st.sampled_from(["1", "ф"]),
    st.sampled_from([[], [("EncryptionType", "NONE")]]),
)
FAILED = st.builds(lambda code: {"ErrorCode": code, "ErrorMessage": "Rate exceeded"}, st.sampled_from(["A", "B"]))
RESULTS = st.lists(STORED | FAILED, max_size=30)


def in_any_form(value: Any, *, open_ended: bool) -> bytes:
    """A value in CBOR, its maps and arrays with a count or up to a break."""
    if isinstance(value, Mapping):
        items = [part for name, member in value.items() for part in (name, member)]
        begin = b"\xbf" if open_ended else cbor.head(cbor.MAP, len(value))
    elif isinstance(value, list):
        items, begin = value, b"\x9f" if open_ended else cbor.head(cbor.ARRAY, len(value))
    else:
        return cbor.encode(value)
    body = b"".join([in_any_form(item, open_ended=open_ended) for item in items])
    return begin + body + (b"\xff" if open_ended else b"")


def answer_with(results: Sequence[Mapping[str, Any]], *, open_ended: bool = False) -> bytes:
    told = {"FailedRecordCount": 0, "Records": list(results), "EncryptionType": "KMS"}
    return in_any_form(told, open_ended=open_ended)


@given(rows=ROWS, hash_keys=HASH_KEYS)
def test_data_travel_as_they_are(rows: list[tuple[str, bytes]], hash_keys: list[int | None]) -> None:
    assert cbor.decode(wire_cbor.encode("changes", records_of(rows, hash_keys))) == {
        "StreamName": "changes",
        "Records": [
            {"Data": data, "PartitionKey": key} | ({} if hash_key is None else {"ExplicitHashKey": str(hash_key)})
            for (key, data), hash_key in zip(rows, hash_keys, strict=False)
        ],
    }


def test_a_body_is_a_quarter_smaller_than_in_json() -> None:
    rows = [(f"public.orders.{number}", b"x" * 750) for number in range(500)]

    assert len(wire_cbor.encode("changes", records_of(rows))) < 500 * 820


@given(results=RESULTS, open_ended=st.booleans())
def test_an_answer_is_read_as_the_reader_reads_it_whatever_it_looks_like(
    results: list[dict[str, str]], *, open_ended: bool
) -> None:
    assert wire_cbor.decode(answer_with(results, open_ended=open_ended)) == answer_of(convert(results))


@pytest.mark.parametrize("open_ended", [False, True])
def test_results_that_look_alike_are_not_read_one_by_one(*, open_ended: bool) -> None:
    results = [{"SequenceNumber": f"{number:056}", "ShardId": f"shardId-{number % 9:012}"} for number in range(500)]
    read = []

    class Counting(cbor.Reader):
        def value(self) -> Any:
            read.append(self.at)
            return super().value()

    reader = Counting(in_any_form(results, open_ended=open_ended))

    assert cbor_results.read_answer(reader) == Answer(
        [result["ShardId"] for result in results], [result["SequenceNumber"] for result in results]
    )
    assert len(read) < 20


def test_results_of_many_looks_make_few_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    compile_pattern = re.compile

    def count(*args: Any) -> Any:
        nonlocal made
        made += 1
        return compile_pattern(*args)

    monkeypatch.setattr("re.compile", count)

    wire_cbor.decode(answer_with([{"SequenceNumber": "1", "ShardId": "2", f"Odd{n}": "x"} for n in range(500)]))

    assert made <= cbor_results._MAX_LAYOUTS


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b'{"Records":[]}',
        cbor.encode({}),
        cbor.encode({"Records": {}}),
        cbor.encode({"Records": [1]}),
        cbor.encode({"Records": [{"ShardId": 1}]}),
        cbor.encode({"Records": []}) + b"\0",
        answer_with([{"SequenceNumber": "1", "ShardId": "2"}] * 3)[:-20],
        answer_with([{"SequenceNumber": "1", "ShardId": "2"}, {"SequenceNumber": "1", "ShardId": "x"}]).replace(b"x", b"\xff"),
        # More than any request has records, and each is read by itself.
        answer_with([{}] * 501),
        # One result more than the array says.
        cbor.head(cbor.MAP, 1) + cbor.text("Records") + cbor.head(cbor.ARRAY, 2)
        + cbor.encode({"SequenceNumber": "1", "ShardId": "2"}) * 3,
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error(answer: bytes) -> None:
    with pytest.raises((cbor.Malformed, msgspec.ValidationError)):
        wire_cbor.decode(answer)


@given(answer=st.binary(max_size=80))
def test_bytes_of_any_kind_are_an_answer_or_an_error(answer: bytes) -> None:
    with suppress(cbor.Malformed, msgspec.ValidationError):
        wire_cbor.decode(cbor.encode({"Records": []})[:-1] + answer)
