"""What PutRecords answers, column by column. Most answers say of every record that it is stored; then no object is made for any record. Pure.

The answer to a request of two records, of which the second is refused:

    {"SequenceNumber": "496…1", "ShardId": "shardId-0"}                   shard_ids         ["shardId-0", ""]
    {"ErrorCode": "InternalFailure", "ErrorMessage": "Internal…"}    ──►  sequence_numbers  ["496…1", ""]
                                                                          refused           {1: Refusal("InternalFailure", "Internal…")}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

# The code of a record of which the answer says neither that it is stored nor why it is not.
NO_SEQUENCE_NUMBER = "NoSequenceNumber"


class Result(msgspec.Struct, rename="pascal", gc=False):
    """What became of one record, as an answer says it. Some endpoints write null for what does not apply, and do not leave it out."""

    shard_id: str | None = None
    sequence_number: str | None = None
    error_code: str | None = None
    error_message: str | None = None


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a record is not stored."""

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the records of one request, in their order."""

    # Of each record; empty if it is not stored.
    shard_ids: list[str] = field(default_factory=list)
    sequence_numbers: list[str] = field(default_factory=list)
    # Of each record that is not stored, by its place in the request.
    refused: dict[int, Refusal] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many records it tells of."""
        return len(self.sequence_numbers)

    def extend(self, results: Sequence[Result]) -> None:
        """What became of the next records. Only a sequence number says that one is stored."""
        begin = len(self)
        self.shard_ids.extend([result.shard_id or "" for result in results])
        self.sequence_numbers.extend([result.sequence_number or "" for result in results])
        for place, result in enumerate(results, start=begin):
            if result.error_code or not result.sequence_number:
                self.refused[place] = Refusal(result.error_code or NO_SEQUENCE_NUMBER, result.error_message or "")
                self.shard_ids[place] = self.sequence_numbers[place] = ""


def answer_of(results: Sequence[Result]) -> Answer:
    """The answer that these results make."""
    answer = Answer()
    answer.extend(results)
    return answer


def convert(results: object) -> Sequence[Result]:
    """Results that were read already, as dictionaries: by botocore or ``forwarder.aws.cbor``.

    Raises:
        msgspec.ValidationError: they are not those of PutRecords.
    """
    return msgspec.convert(results, list[Result])
