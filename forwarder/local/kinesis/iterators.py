"""Shard iterators: a place in a shard, written as a text that means nothing to clients, and that they hand back. Pure."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import astuple, dataclass
from datetime import UTC, datetime

import msgspec

from forwarder.local.kinesis import errors

LIFETIME_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardIterator:
    """``position`` is that of the next record to read; ``issued_at`` is seconds of the Unix epoch."""

    stream: str
    shard_number: int
    position: int
    issued_at: float

    def encode(self) -> str:
        return urlsafe_b64encode(msgspec.json.encode(astuple(self))).decode()


def decode(text: str) -> ShardIterator:
    """Read an iterator, expired or not.

    Raises:
        KinesisError: it was never issued by this server.
    """
    try:
        stream, number, position, issued_at = msgspec.json.decode(
            urlsafe_b64decode(text), type=tuple[str, int, int, float]
        )
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise errors.invalid_argument("Invalid ShardIterator.") from error
    return ShardIterator(stream=stream, shard_number=number, position=position, issued_at=issued_at)


def check_age(iterator: ShardIterator, *, now: float) -> None:
    """Raise ``ExpiredIteratorException`` for an iterator that is older than five minutes."""
    if now - iterator.issued_at > LIFETIME_SECONDS:
        raise errors.KinesisError(
            "ExpiredIteratorException",
            f"Iterator expired. The iterator was created at time {_amazon_time(iterator.issued_at)} while right now it "
            f"is {_amazon_time(now)} which is further in the future than the tolerated delay of 300000 milliseconds.",
        )


def _amazon_time(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%a %b %d %H:%M:%S UTC %Y}"
