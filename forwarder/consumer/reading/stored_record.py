"""A record as a stream or a file gives it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """``data`` is what ``forwarder.consumer.decode`` takes. A record of a file has nothing else."""

    data: bytes
    partition_key: str | None = None
    # In UTC, and approximate, as the stream says.
    arrived_at: datetime | None = None
    sequence_number: str | None = None
    shard: str | None = None
