"""What holds for the requests of both protocols."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.records.record import Record
from forwarder.sinks.kinesis import wire, wire_cbor, wire_json
from forwarder.sinks.kinesis.wire import Slices, Wire
from tests.support.put_records import HASH_KEYS, ROWS, records_of

WIRES = pytest.mark.parametrize("spoken", [wire_cbor, wire_json], ids=["cbor", "json"])


@pytest.fixture
def small_slices() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(wire, "SLICE_BYTES", 12)
        yield


@WIRES
@given(rows=ROWS, hash_keys=HASH_KEYS, follower=st.none() | st.binary(max_size=100))
def test_the_length_of_a_body_is_known_but_for_what_names_the_stream(
    spoken: Wire, rows: list[tuple[str, bytes]], hash_keys: list[int | None], follower: bytes | None
) -> None:
    records = records_of(rows, hash_keys)
    if follower is not None:
        records[0].followers = [Record(0, records[0].partition_key, follower, set())]

    assert spoken.body_bytes(records) == len(spoken.encode("changes", records)) - len(spoken.encode("changes", []))


@WIRES
@pytest.mark.usefixtures("small_slices")
@given(
    rows=ROWS | st.lists(st.tuples(st.just("key"), st.binary(min_size=20, max_size=60)), min_size=1, max_size=30),
    hash_keys=HASH_KEYS,
)
def test_in_slices_it_is_the_same_body_each_time_that_they_are_made(
    spoken: Wire, rows: list[tuple[str, bytes]], hash_keys: list[int | None]
) -> None:
    records = records_of(rows, hash_keys)
    if len(records) > 2:
        records[0].followers = records[1:2]
        del records[1]
    whole = spoken.encode("changes", records)
    body = Slices(spoken, "changes", records)
    slices, again = list(body), list(body)

    assert b"".join(slices) == whole
    assert again == slices
    assert body.size == len(whole)
    assert all(len(part) >= 12 for part in slices[:-1])


@WIRES
def test_a_record_of_any_size_is_cut_into_slices_too(spoken: Wire) -> None:
    records = records_of([("key", b"x" * (3 << 20)), ("other", b"y")])

    assert max(map(len, Slices(spoken, "changes", records))) <= 2 * wire.SLICE_BYTES


@WIRES
def test_a_stream_may_be_named_by_its_arn(spoken: Wire) -> None:
    arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/changes"

    assert b"StreamARN" in spoken.encode(arn, [])
    assert arn.encode() in spoken.encode(arn, [])
    assert b"StreamName" in spoken.encode("changes", [])
