from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.aws import cbor
from forwarder.local.kinesis.cbor_records import read_entries, write_results
from forwarder.local.kinesis.protocol import PutRecordsEntry, PutResult

KEYS = st.text(min_size=0, max_size=30) | st.integers(0, 300).map("k".__mul__)
DATA = st.binary(max_size=30) | st.sampled_from([255, 256, 65_535, 65_536]).map(b"d".__mul__)
ENTRIES = st.lists(
    st.fixed_dictionaries({"Data": DATA, "PartitionKey": KEYS}, optional={"ExplicitHashKey": st.just("1")}), max_size=9
)
RESULTS = st.lists(
    st.builds(PutResult, sequence_number=st.sampled_from(["1", "1" * 56]), shard_id=st.sampled_from(["x", "s" * 20]))
    | st.just(PutResult(error_code="InternalFailure", error_message="…")),
    max_size=9,
)


@given(entries=ENTRIES)
def test_records_are_read_as_the_reader_reads_them(entries: list[dict[str, Any]]) -> None:
    reader = cbor.Reader(written := cbor.encode(entries))

    assert read_entries(reader) == msgspec.convert(cbor.decode(written), list[PutRecordsEntry])
    reader.end()


@given(entries=ENTRIES, cut=st.integers(min_value=1))
def test_a_part_of_records_is_malformed(entries: list[dict[str, Any]], cut: int) -> None:
    written = cbor.encode(entries)

    with pytest.raises((cbor.Malformed, msgspec.ValidationError)):
        read_entries(cbor.Reader(written[: -min(cut, len(written))]))


@given(results=RESULTS)
def test_results_are_written_as_any_value_is(results: list[PutResult]) -> None:
    assert cbor.decode(write_results(results)) == msgspec.to_builtins(results)
