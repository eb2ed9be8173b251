from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.aws import cbor
from forwarder.aws.cbor import MAX_CHUNKS, MAX_DEPTH, Malformed, Reader, decode, encode

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda values: st.lists(values, max_size=30) | st.dictionaries(st.text(max_size=30), values, max_size=30),
    max_leaves=30,
)

# From appendix A of RFC 8949, where Kinesis's values could be such.
RFC = [
    ("00", 0),
    ("17", 23),
    ("1818", 24),
    ("1903e8", 1000),
    ("1a000f4240", 1_000_000),
    ("1bffffffffffffffff", (1 << 64) - 1),
    ("20", -1),
    ("3903e7", -1000),
    ("3bffffffffffffffff", -(1 << 64)),
    ("f90000", 0.0),
    ("f93c00", 1.0),
    ("fb3ff199999999999a", 1.1),
    ("f97bff", 65504.0),
    ("fa47c35000", 100_000.0),
    ("f90400", 0.00006103515625),
    ("f97c00", math.inf),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("f7", None),
    ("40", b""),
    ("4401020304", b"\1\2\3\4"),
    ("60", ""),
    ("62c3bc", "ü"),
    ("64f0908591", "\U00010151"),
    ("80", []),
    ("83010203", [1, 2, 3]),
    ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", list(range(1, 26))),
    ("a0", {}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("5f42010243030405ff", b"\1\2\3\4\5"),
    ("7f657374726561646d696e67ff", "streaming"),
    ("9fff", []),
    ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
    ("83018202039f0405ff", [1, [2, 3], [4, 5]]),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ("bf6346756ef563416d7421ff", {"Fun": True, "Amt": -2}),
    ("d818456449455446", b"dIETF"),
]


@pytest.mark.parametrize(("written", "value"), RFC)
def test_every_form_that_the_rfc_allows_is_read(written: str, value: Any) -> None:
    assert decode(bytes.fromhex(written)) == value


@given(value=VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_lengths_are_written_in_the_shortest_form(size: int) -> None:
    heads = {0: 1, 23: 1, 24: 2, 255: 2, 256: 3, 65_535: 3, 65_536: 5}

    assert len(encode(b"x" * size)) == heads[size] + size


def test_a_time_is_milliseconds_under_tag_1_as_aws_counts() -> None:
    assert encode(1_700_000_000.25) == bytes.fromhex("c1 1b 0000018bcfe568fa")
    assert decode(bytes.fromhex("c1 1b 0000018bcfe568fa")) == 1_700_000_000.25
    assert decode(bytes.fromhex("c1 fb 4278bcfe56800000")) == 1_700_000_000.0


@pytest.mark.parametrize(
    "written",
    [
        "",
        "18",
        "19 00",
        "41",
        "62 c3",
        "61 ff",
        "5f 41 00",
        "5f 61 61 ff",
        "7f 7f 61 61 ff ff",
        "82 00",
        "9f 00",
        "a1 61 61",
        "a1 00 00",
        "a2 61 61 00 61 61 00",
        "bf 61 61 ff",
        "00 00",
        "1c",
        "1f",
        "3f",
        "df 00",
        "ff",
        "f8 20",
        "fc",
        "c1 61 61",
        "c1 f5",
        # Heads that promise more than there is: of 2^64 - 1 bytes, characters, items and members.
        "5b ffffffffffffffff 00",
        "7b ffffffffffffffff 00",
        "9b ffffffffffffffff 00",
        "bb ffffffffffffffff 61 61 00",
    ],
)
def test_what_is_not_well_formed_is_refused(written: str) -> None:
    with pytest.raises(Malformed):
        decode(bytes.fromhex(written))


@pytest.mark.parametrize("level", [b"\x81", b"\x9f", b"\xa1\x61a", b"\xc2"])
def test_levels_without_end_are_refused(level: bytes) -> None:
    with pytest.raises(Malformed, match="deep"):
        decode(level * (MAX_DEPTH + 1))
    with pytest.raises(Malformed):
        decode(level * 100_000)


@given(data=st.binary(max_size=60))
def test_bytes_of_any_kind_are_a_value_or_malformed(data: bytes) -> None:
    with suppress(Malformed):
        decode(data)


@given(value=VALUES, cut=st.integers(min_value=1))
def test_a_part_of_a_value_is_none(value: Any, cut: int) -> None:
    written = encode(value)

    with pytest.raises(Malformed):
        decode(written[: -min(cut, len(written))])


def test_a_reader_enters_arrays_and_maps_and_nothing_else() -> None:
    reader = Reader(encode({"a": [1, 2]}))

    assert reader.map() == 1
    assert reader.value() == "a"
    assert reader.array() == 2
    with pytest.raises(Malformed):
        reader.array()


def test_an_integer_of_more_than_64_bits_is_not_written() -> None:
    with pytest.raises(OverflowError):
        encode(1 << 64)
    assert cbor.head(cbor.UNSIGNED, 23) == b"\x17"


def test_a_string_may_be_in_pieces_but_not_in_any_number_of_them() -> None:
    def pieces(count: int) -> bytes:
        return b"\x5f" + b"\x41x" * count + b"\xff"

    assert decode(pieces(3)) == b"xxx"
    with pytest.raises(Malformed, match="pieces"):
        decode(pieces(MAX_CHUNKS + 1))
