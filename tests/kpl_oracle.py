"""The library that AWS gives to Python consumers of aggregated records: an encoder and a decoder that are not ours."""

from __future__ import annotations

import base64
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """aws_kinesis_agg."""

    aggregator: ModuleType
    deaggregator: ModuleType

    def encode(self, partition_key: str, payloads: list[bytes], *, hash_key: str | None = None) -> bytes:
        record = self.aggregator.AggRecord()
        for payload in payloads:
            assert record.add_user_record(partition_key, payload, hash_key)
        data: bytes = record.get_contents()[2]
        return data

    def decode(self, partition_key: str, data: bytes) -> list[dict[str, Any]]:
        record = {
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "49",
            "approximateArrivalTimestamp": 0.0,
            "partitionKey": partition_key,
            "data": base64.b64encode(data),
        }
        user_records = self.deaggregator.deaggregate_records([{"kinesis": record}])
        return [user_record["kinesis"] for user_record in user_records]


@contextmanager
def kpl_oracle() -> Iterator[Oracle]:
    """It puts its own directory first on sys.path, for a module of the name config_pb2: neither outlives the block."""
    path = list(sys.path)
    try:
        yield Oracle(
            aggregator=importlib.import_module("aws_kinesis_agg.aggregator"),
            deaggregator=importlib.import_module("aws_kinesis_agg.deaggregator"),
        )
    finally:
        sys.path[:] = path
        sys.modules.pop("config_pb2", None)
