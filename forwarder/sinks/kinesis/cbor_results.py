"""Reads the results of an answer in CBOR, nearly at the speed at which msgspec reads those of one in JSON. Pure.

The reader takes any form that CBOR allows, and 4 µs a record. But the results of stored records differ in their values alone: the members,
their order, their lengths and the form of the map are the same. So one is read by the reader, and a layout is made of what it looks like:

    a2 6e"SequenceNumber" 78 38 496…(56 digits) 67"ShardId" 74 shardId-000000000000
    a2 6e"SequenceNumber" 78 38 .{56}           67"ShardId" 74 .{20}

A pattern finds how many of those that follow look alike, and their values are cut out at fixed distances, all in 0.3 µs a record. Then it is the
reader's turn again. The lengths of the values stand in the fixed part of the pattern, so it finds nothing that the reader would read otherwise.
"""

from __future__ import annotations

import re
from functools import lru_cache
from struct import Struct

from forwarder.aws.cbor import Malformed, Reader
from forwarder.sinks.kinesis.answer import Answer, Result, convert

# Stand for the values where only the rest of a result matters.
_NUMBER, _SHARD = b"\0number", b"\0shard"

# As many as PutRecords takes records.
MAX_RESULTS = 500
# No answer of Kinesis has more than two; a pattern takes as long to make as a hundred results to read.
_MAX_LAYOUTS = 8


def read_answer(reader: Reader) -> Answer:
    """The results of the array that is next.

    Raises:
        Malformed, msgspec.ValidationError: it is no array of results.
    """
    answer = Answer()
    layouts: set[_Layout] = set()
    count = reader.array()
    while not reader.is_over(count, len(answer)):
        if len(answer) >= MAX_RESULTS:
            raise Malformed("more results than any request has records")
        begin = reader.at
        [result] = convert([reader.value()])
        answer.extend([result])
        if len(layouts) < _MAX_LAYOUTS and (layout := _layout_of(result, reader.data[begin : reader.at])):
            layouts.add(layout)
            layout.read(reader, answer)
    if count is not None and len(answer) != count:
        raise Malformed("more results than it says")
    return answer


class _Layout:
    """Where the values are in results that look alike."""

    def __init__(self, look: bytes, number_length: int, shard_length: int) -> None:
        self._has_shard_first = look.index(_SHARD) < look.index(_NUMBER)
        lengths = {_NUMBER: number_length, _SHARD: shard_length}
        # `first` and `second` are the marks of the values, the others what stands before, between and behind them.
        before, first, between, second, behind = re.split(b"(%b|%b)" % (_NUMBER, _SHARD), look)
        one = re.escape(before) + b".{%d}" % lengths[first] + re.escape(between) + b".{%d}" % lengths[second]
        self._row = re.compile(b"(?:%b%b)+" % (one, re.escape(behind)), re.DOTALL)
        self._values = Struct(f"{len(before)}x{lengths[first]}s{len(between)}x{lengths[second]}s{len(behind)}x")

    def read(self, reader: Reader, answer: Answer) -> None:
        """Add the results that follow and look alike to the answer; the reader passes them over."""
        found = self._row.match(reader.data, reader.at)
        if not found:
            return
        firsts, seconds = zip(*self._values.iter_unpack(found[0]), strict=True)
        shards, numbers = (firsts, seconds) if self._has_shard_first else (seconds, firsts)
        try:
            answer.shard_ids.extend(map(bytes.decode, shards))
            answer.sequence_numbers.extend(map(bytes.decode, numbers))
        except UnicodeDecodeError as error:
            raise Malformed("a text that is no UTF-8") from error
        reader.at = found.end()


_remembered = lru_cache(maxsize=16)(_Layout)


def _layout_of(result: Result, written: bytes) -> _Layout | None:
    """The layout of a result; None if nothing was stored, or if it is not clear which bytes are its values."""
    if result.error_code or not (result.sequence_number and result.shard_id):
        return None
    number, shard = result.sequence_number.encode(), result.shard_id.encode()
    look = written.replace(number, _NUMBER).replace(shard, _SHARD)
    return _remembered(look, len(number), len(shard)) if look.count(_NUMBER) == look.count(_SHARD) == 1 else None
