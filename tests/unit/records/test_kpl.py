"""Our encoder against the library that AWS gives to consumers written in Python."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forwarder.records import kpl
from tests.kpl_oracle import Oracle, kpl_oracle

keys = st.text(min_size=1, max_size=256)
# Lengths about which the varints of a payload, and of the record around it, grow by a byte.
lengths = st.one_of(
    st.integers(0, 300),
    st.sampled_from([114, 121, 122, 123, 127, 128, 16_372, 16_377, 16_378, 16_379, 16_383, 16_384]),
)
payloads = st.lists(st.one_of(st.binary(max_size=300), lengths.map(bytes)), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with kpl_oracle() as oracle:
        yield oracle


@given(key=keys, payloads=payloads)
@example(key="public.orders.42", payloads=[b""])
def test_an_aggregate_is_the_oracles_byte_for_byte(oracle: Oracle, key: str, payloads: list[bytes]) -> None:
    assert kpl.encode(key, payloads) == oracle.encode(key, payloads)


@given(key=keys, payloads=payloads)
def test_consumers_read_every_payload_back_in_order_under_its_key(
    oracle: Oracle, key: str, payloads: list[bytes]
) -> None:
    read = oracle.decode(key, kpl.encode(key, payloads))
    assert [base64.b64decode(record["data"]) for record in read] == payloads
    assert [record["subSequenceNumber"] for record in read] == list(range(len(payloads)))
    assert {record["partitionKey"] for record in read} == {key}
    assert {record["explicitHashKey"] for record in read} == {None}


@given(key=keys, payloads=payloads, hash_key=st.integers(0, (1 << 128) - 1))
def test_an_explicit_hash_key_is_that_of_every_record(
    oracle: Oracle, key: str, payloads: list[bytes], hash_key: int
) -> None:
    data = kpl.encode(key, payloads, hash_key=hash_key)
    assert data == oracle.encode(key, payloads, hash_key=str(hash_key))
    assert {record["explicitHashKey"] for record in oracle.decode(key, data)} == {str(hash_key)}
    entries = sum(kpl.entry_bytes(len(payload), hash_key) for payload in payloads)
    assert len(data) == kpl.overhead_bytes(key, hash_key) + entries


@given(key=keys, payloads=payloads)
@settings(max_examples=50)
def test_the_size_is_known_before_encoding(key: str, payloads: list[bytes]) -> None:
    size = kpl.overhead_bytes(key) + sum(kpl.entry_bytes(len(payload)) for payload in payloads)
    assert size == len(kpl.encode(key, payloads))


@pytest.mark.parametrize("length", [1 << 20, (1 << 21) - 7, 1 << 21, 10 << 20])
def test_a_payload_may_be_as_large_as_a_stream_allows(oracle: Oracle, length: int) -> None:
    data = kpl.encode("key", [bytes(length)])
    assert len(data) == kpl.overhead_bytes("key") + kpl.entry_bytes(length)
    assert [len(base64.b64decode(record["data"])) for record in oracle.decode("key", data)] == [length]


def test_an_aggregate_is_laid_out_as_the_format_says() -> None:
    message = b"\x0a\x01k" + b"\x1a\x05\x08\x00\x1a\x01a" + b"\x1a\x06\x08\x00\x1a\x02bc"
    assert kpl.encode("k", [b"a", b"bc"]) == b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()
