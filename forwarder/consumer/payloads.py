"""From the data of one record of a stream to the payloads in it: aggregates are taken apart, and what is compressed is decompressed. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from forwarder.consumer.aggregates import user_records
from forwarder.consumer.compression import Budget, decompressed, is_compressed
from forwarder.consumer.unreadable import Unreadable

# Compressed records in an aggregate that is compressed itself are three.
_MOST_LAYERS = 4


@dataclass(frozen=True, slots=True)
class Payload:
    """JSON text, of one change as a rule. ``partition_key`` is the one that it has inside an aggregate; None outside of any."""

    data: bytes
    partition_key: str | None = None


def payloads(data: bytes) -> Iterator[Payload]:
    """The payloads in their order.

    Raises:
        Unreadable: an aggregate or something compressed is damaged.
    """
    return _unwrap(Payload(data), Budget(), layers=0)


def _unwrap(payload: Payload, budget: Budget, *, layers: int) -> Iterator[Payload]:
    if layers > _MOST_LAYERS:
        raise Unreadable(f"more than {_MOST_LAYERS} layers of compression and aggregates")
    if is_compressed(payload.data):
        yield from _unwrap(
            Payload(decompressed(payload.data, budget), payload.partition_key), budget, layers=layers + 1
        )
    elif (records := user_records(payload.data)) is not None:
        for record in records:
            yield from _unwrap(Payload(record.data, record.partition_key), budget, layers=layers + 1)
    else:
        yield payload
