"""A file is split into the same records, however it is cut into pieces."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.consumer.compression import Budget, decompressed, is_compressed
from forwarder.consumer.reading.record_splitter import RecordSplitter

CONTENTS = [b'{"a":1}', b'{"b":"\xc3\xa9"}', b"[2]" * 100]
FILES = {
    "lines": b"\n".join(CONTENTS) + b"\n",
    "lines of Windows, and blank ones": b"\r\n\n".join(CONTENTS) + b"\n",
    "compressed": b"".join(map(gzip.compress, CONTENTS)),
    "compressed lines": b"\n".join(map(gzip.compress, CONTENTS)) + b"\n",
    "both": gzip.compress(CONTENTS[0]) + CONTENTS[1] + b"\n" + gzip.compress(CONTENTS[2]),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
@given(cuts=st.lists(st.integers(0, 400), max_size=8))
def test_it_does_not_matter_how_a_file_is_cut(data: bytes, cuts: list[int]) -> None:
    ends = [*sorted(cuts), len(data)]
    splitter = RecordSplitter()
    found = [record for start, end in zip([0, *ends], ends, strict=False) for record in splitter.feed(data[start:end])]
    assert [decompressed(record, Budget()) if is_compressed(record) else record.strip() for record in found] == CONTENTS
    assert splitter.rest() == []


def test_a_line_without_a_line_break_is_left_to_the_end() -> None:
    splitter = RecordSplitter()
    assert splitter.feed(b"one\ntwo") == [b"one"]
    assert splitter.rest() == [b"two"]
    assert splitter.rest() == []


def test_what_is_damaged_is_one_record() -> None:
    damaged = gzip.compress(b"content")[:-4] + b"0000"
    splitter = RecordSplitter()
    assert splitter.feed(damaged + b"{}\n") == [damaged + b"{}\n"]
    assert splitter.feed(b"{}\n") == [b"{}"]


def test_what_is_compressed_stays_so_until_it_is_decoded() -> None:
    """A small file may hold much."""
    frames = [gzip.compress(b" " * 1_000_000) for _ in range(10)]
    assert RecordSplitter().feed(b"\n".join(frames)) == frames
