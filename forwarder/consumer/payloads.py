"""From the data of one record of a stream to the payloads in it: aggregates are taken apart, and what is compressed is decompressed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forwarder.consumer.aggregates import user_records
from forwarder.consumer.compression import Budget, decompressed, is_compressed
from forwarder.consumer.unreadable import Tell, Unreadable

# Compressed records in an aggregate that is compressed itself are three.
_MOST_LAYERS = 4


@dataclass(frozen=True, slots=True)
class Payload:
    """JSON text, of one change as a rule. ``partition_key`` is the one that it has inside an aggregate; None outside of any."""

    data: bytes
    partition_key: str | None = None


def payloads(data: bytes, tell: Tell) -> Iterator[Payload]:
    """The payloads in their order. ``tell`` is told of an aggregate, or something compressed, that is damaged or too large."""
    return _unwrap(Payload(data), Budget(), tell, layers=0)


def _unwrap(payload: Payload, budget: Budget, tell: Tell, *, layers: int) -> Iterator[Payload]:
    try:
        inner = _inner(payload, budget, layers=layers)
    except Unreadable as error:
        tell(error)
        return
    if inner is None:
        yield payload
    else:
        for each in inner:
            yield from _unwrap(each, budget, tell, layers=layers + 1)


def _inner(payload: Payload, budget: Budget, *, layers: int) -> Sequence[Payload] | None:
    """What is in an aggregate or something compressed; None if the payload is neither."""
    if layers > _MOST_LAYERS:
        raise Unreadable(f"more than {_MOST_LAYERS} layers of compression and aggregates")
    if is_compressed(payload.data):
        return [Payload(decompressed(payload.data, budget), payload.partition_key)]
    records = user_records(payload.data)
    return None if records is None else [Payload(record.data, record.partition_key) for record in records]
