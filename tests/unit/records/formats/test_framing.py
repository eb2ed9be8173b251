from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from forwarder.config.sink_url import Compression, Framing
from forwarder.records.formats.framing import framed

OPENERS: list[tuple[Compression, Callable[[bytes], bytes]]] = [
    ("none", bytes),
    ("gzip", gzip.decompress),
    ("zstd", zstandard.decompress),
]


@pytest.mark.parametrize(("compression", "opened"), OPENERS)
@given(records=st.lists(st.binary(min_size=1)), end=st.sampled_from([b"", b"\n"]))
def test_what_is_framed_can_be_opened_again(
    compression: Compression, opened: Callable[[bytes], bytes], records: list[bytes], end: bytes
) -> None:
    encode = framed(lambda _: records, Framing(newline=bool(end), compression=compression))
    assert [opened(data) for data in encode([])] == [data + end for data in records]


@pytest.mark.parametrize("compression", [compression for compression, _ in OPENERS])
def test_an_event_without_a_record_has_none_when_it_is_framed_either(compression: Compression) -> None:
    assert framed(lambda _: [b"", b""], Framing(newline=True, compression=compression))([]) == [b"", b""]


@pytest.mark.parametrize("compression", [compression for compression, _ in OPENERS])
def test_a_record_that_is_sent_again_has_the_same_bytes(compression: Compression) -> None:
    framing = Framing(newline=True, compression=compression)
    assert framed(lambda _: [b"{}"], framing)([]) == framed(lambda _: [b"{}"], framing)([])
