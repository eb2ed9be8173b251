"""Records of every format become changes, whatever they are wrapped in; anything else is refused without a value of a row."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from forwarder.consumer import Change, Unreadable, decode
from forwarder.consumer.aggregates import UserRecord, user_records
from forwarder.consumer.compression import Budget, decompressed
from forwarder.records import kpl
from tests.kpl_oracle import kpl_oracle
from tests.support.peer_samples import lines_of, needs_samples

NATIVE = (
    b'{"id":"7312459/16384/00000000000414f1","seq":267505,"op":"update","schema":"public","table":"orders","key":{"id":42},'
    b'"at":"2026-01-02T03:04:05.123456Z","txid":"1140","tx":{"index":1,"count":2},'
    b'"before":{"id":42,"total":1.10},"after":{"id":42,"total":12345678901234567890.10}}'
)


def the_change(data: bytes, **options: Any) -> Change:
    (change,) = decode(data, **options)
    return change


def ids(data: bytes) -> list[str | None]:
    return [change.id for change in decode(data)]


def record(name: str) -> bytes:
    return json.dumps({"id": name, "seq": 1, "op": "insert"}).encode()


def test_numbers_are_exact() -> None:
    change = the_change(
        b'{"id":"a","seq":1,"op":"insert","after":{"n":12345678901234567890.10,"i":98765432109876543210,"e":1e400}}'
    )
    assert change.after is not None
    assert {name: str(value) for name, value in change.after.items()} == {
        "n": "12345678901234567890.10",
        "i": "98765432109876543210",
        "e": "1E+400",
    }


def test_numbers_are_floats_where_that_is_asked_for() -> None:
    change = the_change(b'{"id":"a","seq":1,"op":"insert","after":{"n":1.10,"i":7}}', floats=True)
    assert change.after is not None
    assert [(isinstance(value, float), value) for value in change.after.values()] == [(True, 1.1), (False, 7)]


@pytest.mark.parametrize("floats", [False, True])
def test_a_number_may_have_more_digits_than_python_takes_and_costs_no_more_for_that(*, floats: bool) -> None:
    digits = "7" * 10_000_000
    change = the_change(f'{{"id":"a","seq":1,"op":"insert","after":{{"n":{digits}}}}}'.encode(), floats=floats)
    assert change.after is not None
    assert str(change.after["n"]) == digits


def test_raw_is_the_text_of_the_record_alone() -> None:
    assert [change.raw for change in decode(b" " + NATIVE + b"\n" + NATIVE)] == [NATIVE.decode()] * 2


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n \t"])
def test_a_payload_may_hold_several_records(between: bytes) -> None:
    assert ids(record("a") + between + record("b") + between) == ["a", "b"]


@pytest.mark.parametrize("nothing", [b"", b"\n", b"null"])
def test_a_record_without_content_tells_of_nothing(nothing: bytes) -> None:
    assert decode(nothing) == []


def test_gzip_is_decompressed() -> None:
    assert ids(gzip.compress(record("a")) + gzip.compress(record("b")) + b"\n") == ["a", "b"]


def test_zstd_is_decompressed() -> None:
    large = b" " * 5_000_000 + record("c")
    assert ids(b"".join(map(zstd.compress, (record("a"), record("b"), large))) + b"\n") == ["a", "b", "c"]


def test_zstd_may_not_become_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.consumer.compression.MAX_BYTES", 1000)
    with pytest.raises(Unreadable, match="more than"):
        decompressed(zstd.compress(b" " * 100_000_000), Budget())


def test_zstd_without_a_library_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    with pytest.raises(Unreadable, match="pip install"):
        decode(b"\x28\xb5\x2f\xfd" + b"anything")


def test_compressed_data_may_not_become_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.consumer.compression.MAX_BYTES", 1000)
    assert decompressed(gzip.compress(b" " * 1000), Budget()) == b" " * 1000
    with pytest.raises(Unreadable, match="more than"):
        decompressed(gzip.compress(b" " * 1001), Budget())


def test_nor_may_all_that_one_record_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.consumer.compression.MAX_BYTES", 1000)
    frame = gzip.compress(b" " * 600)
    for data in (frame * 2, kpl.encode("key", [frame, frame])):
        with pytest.raises(Unreadable, match="more than"):
            decode(data)


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(NATIVE)[:-1],
        gzip.compress(NATIVE)[:-9] + b"\0" * 9,
        gzip.compress(NATIVE) + b"{}",
        b"\x1f\x8b",
    ],
)
def test_damaged_compression_is_refused(damaged: bytes) -> None:
    with pytest.raises(Unreadable, match="compressed data"):
        decode(damaged)


def test_layers_of_compression_have_a_bound() -> None:
    data = record("a")
    for _ in range(20):
        data = gzip.compress(data)
    with pytest.raises(Unreadable, match="layers"):
        decode(data)


def test_an_aggregate_is_taken_apart() -> None:
    with kpl_oracle() as oracle:
        theirs = oracle.encode("k", [record("a"), record("b")])
    assert ids(theirs) == ["a", "b"]
    assert ids(kpl.encode("k", [record("a"), gzip.compress(record("b"))])) == ["a", "b"]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.text(min_size=1, max_size=200))
def test_an_aggregate_gives_back_what_was_put_into_it(payloads: list[bytes], key: str) -> None:
    if key.encode("utf-8", "replace").decode() == key:
        assert user_records(kpl.encode(key, payloads)) == [UserRecord(key, payload) for payload in payloads]


def test_an_aggregate_with_a_wrong_checksum_is_none() -> None:
    data = kpl.encode("k", [record("a")])
    with pytest.raises(Unreadable, match="UTF-8"):
        decode(data[:-1] + bytes([data[-1] ^ 1]))


@given(st.binary(max_size=60))
def test_an_aggregate_of_anything_else_is_refused(message: bytes) -> None:
    data = b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message, usedforsecurity=False).digest()
    with suppress(Unreadable):
        decode(data)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_unreadable(data: bytes) -> None:
    with suppress(Unreadable):
        decode(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=3,
)
MEMBERS = (
    "id",
    "seq",
    "op",
    "at",
    "tx",
    "before",
    "metadata",
    "operation",
    "data",
    "source",
    "sequence",
    "specversion",
    "type",
)
MORE = ("eventName", "dynamodb", "NewImage", "ts_us", "ApproximateCreationDateTime", "changed", "key")


@given(
    st.recursive(JSON, lambda inner: st.dictionaries(st.sampled_from(MEMBERS + MORE), inner, max_size=6), max_leaves=20)
)
def test_no_json_raises_anything_but_unreadable(document: Any) -> None:
    with suppress(Unreadable):
        decode(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            b'{"op":"c","before":null,"after":{},"source":{"sequence":"[1e999999]"},"ts_ms":1}',
            "'sequence' is no list of numbers",
        ),
        (b'{"id":"a","seq":1,"op":"insert","after":{"secret":"hunter2"', "not JSON, at character"),
        (b'{"id":"a","seq":1,"op":"insert","after":"hunter2"}', "'after' is not an object"),
        (b'{"id":"a","seq":"hunter2","op":"insert"}', "'seq' is not a whole number"),
        (b'{"id":"a","seq":1,"op":"hunter2"}', "'op' is none of ours"),
        (b'{"id":"a","seq":1,"op":"insert","at":"hunter2"}', "'at' is not a time"),
        (b'{"hunter2":1}', "no format that is known"),
        (b'["hunter2"]', "JSON object"),
        (b'{"n":NaN}', "not JSON: NaN"),
        (b'{"n":1e99999999999999999999}', "exponent"),
        (b"[" * 100_000, "levels"),
        (b'{"hunter2":"\xff"}', "not UTF-8"),
    ],
)
def test_what_is_no_record_is_refused_without_a_value_of_it(data: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says) as refusal:
        decode(data)
    assert "hunter2" not in str(refusal.value)


FORGED = '{"id":"forged","seq":9,"op":"delete"}'
BEYOND_BOUNDS = [
    '{"id":"b","seq":1,"op":"insert","after":{"n":1e9999999999999999999}}',
    # What a row holds is no record, whatever line it stands on.
    f'{{"id":"b","seq":1,"op":"insert","after":{{"j":[1e9999999999999999999,\n{FORGED}\n]}}}}',
    '{"id":"b","after":{"}\\"":"{[","n":' + "[" * 100_000 + "]" * 100_000 + "}}",
    '{"hunter2":1}',
    "1e9999999999999999999",
    "[NaN]",
]


@pytest.mark.parametrize("bad", BEYOND_BOUNDS)
@pytest.mark.parametrize("between", ["", "\n"])
def test_one_change_that_cannot_be_read_takes_no_others_along(bad: str, between: str) -> None:
    together = between.encode().join([record("a"), bad.encode(), record("c")])
    alone = [record("a"), gzip.compress(bad.encode()), gzip.compress(NATIVE)[:-1], bad.encode(), record("c")]
    for data, count in ((together, 1), (kpl.encode("k", alone), 3)):
        with pytest.raises(Unreadable) as refusal:
            decode(data)
        assert [change.id for change in refusal.value.changes] == ["a", "c"]
        assert refusal.value.count == count


def test_behind_what_is_no_json_nothing_is_guessed() -> None:
    with pytest.raises(Unreadable, match="not JSON") as refusal:
        decode(record("a") + b'\n{"n":,\n' + FORGED.encode())
    assert [change.id for change in refusal.value.changes] == ["a"]


def test_nothing_is_decompressed_beyond_the_bound_where_others_are_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.consumer.compression.MAX_BYTES", 1000)
    bomb = gzip.compress(b" " * 100_000)
    with pytest.raises(Unreadable, match="more than") as refusal:
        decode(kpl.encode("k", [bomb, bomb, record("c")]))
    assert ([change.id for change in refusal.value.changes], refusal.value.count) == (["c"], 2)


def test_a_format_that_is_named_takes_no_other() -> None:
    assert the_change(NATIVE, format="native").format == "native"
    with pytest.raises(Unreadable, match="no dms record"):
        decode(NATIVE, format="dms")


@pytest.mark.parametrize(
    "file", ["debezium-default", "debezium-strings", "debezium-transaction", "debezium-cloudevents"]
)
@needs_samples
def test_what_debezium_writes_is_read(file: str) -> None:
    for line in lines_of(file):
        value = json.loads(line, parse_float=Decimal)["value"]
        text = line[line.index('"value":') + len('"value":') : -1]
        for change in decode(text.encode()):
            data = value.get("data", value)
            rows = data.get("payload", data)
            assert change.before == rows.get("before")
            assert change.after == (value["message"] if change.op == "event" else rows["after"])
            assert change.seq is not None


@pytest.mark.parametrize("file", ["dms", "dynamodb"])
@needs_samples
def test_what_dms_and_dynamodb_write_is_read(file: str) -> None:
    for line in lines_of(f"{file}-samples"):
        document = json.loads(line)["record"]
        if isinstance(document, dict) and ("metadata" in document or "dynamodb" in document):
            assert the_change(json.dumps(document).encode()).format == file
