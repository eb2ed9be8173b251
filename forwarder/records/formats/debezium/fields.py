"""The fields of Debezium's records, in its order. Pure.

Seen in what version 3.6.3.Final writes, see tests/golden/debezium.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

# The version of Debezium whose records these are.
VERSION = "3.6.3.Final"


class Source(Struct, kw_only=True, gc=False):
    """Where a change comes from, and when it was committed."""

    version: str = VERSION
    connector: str = "postgresql"
    name: str
    ts_ms: int
    snapshot: str = "false"
    db: str
    # The position of the last commit, which nobody knows here, and that of the change: '[null,"267505"]'.
    sequence: str
    ts_us: int
    ts_ns: int
    schema: str = ""
    table: str = ""
    tx_id: int | None = msgspec.field(name="txId")
    lsn: int
    xmin: None = None
    origin: None = None
    origin_lsn: None = None
    # Ours: what Debezium has no place for.
    forwarder: Raw | UnsetType = UNSET


class Transaction(Struct, gc=False):
    """The place of a change in its transaction."""

    id: str
    total_order: int | None
    data_collection_order: int | None


class Change(Struct, kw_only=True, gc=False):
    """The record of a change of a row, or of a TRUNCATE."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    source: Source
    transaction: Transaction | None
    op: str
    ts_ms: int
    ts_us: int
    ts_ns: int


class Content(Struct, gc=False):
    """What a message says."""

    prefix: str
    # Bytes as the option binary.handling.mode has them.
    content: str


class Message(Struct, kw_only=True, gc=False):
    """The record of a logical decoding message."""

    op: str = "m"
    ts_ms: int
    source: Source
    transaction: Transaction | None
    message: Content


_encode = msgspec.json.Encoder().encode
# As numbers, since bytes are searched for these five times as fast.
_LINE_FEED, _CARRIAGE_RETURN = b"\n\r"


def line(record: Change | Message) -> bytes:
    """The record as one line. JSON that it holds as it was written may have line breaks between tokens, where a space means the same."""
    text = _encode(record)
    if _LINE_FEED in text or _CARRIAGE_RETURN in text:
        return text.replace(b"\n", b" ").replace(b"\r", b" ")
    return text
