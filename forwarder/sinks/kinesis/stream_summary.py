"""What DescribeStreamSummary says of a stream, as far as it matters to whoever writes there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from forwarder.aws import redaction


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """The answer of one moment. What is None it has not told, or not in a form that we know."""

    # ACTIVE, CREATING, UPDATING or DELETING.
    status: str
    # PROVISIONED or ON_DEMAND.
    mode: str | None
    # USER_PARTITION_KEY or AUTO; endpoints of an older version do not tell.
    distribution: str | None
    # As it was told: it may be odd.
    max_record_kib: Any
    open_shards: int | None
    # NONE or KMS, and the key if it is KMS.
    encryption: str | None
    key_id: str | None
    # When it was answered, by the endpoint's clock, to the second.
    answered_at: datetime | None


def summary_of(answer: Mapping[str, Any]) -> StreamSummary | None:
    """Read botocore's answer; None: it is that of something that does not speak Kinesis."""
    told = answer.get("StreamDescriptionSummary", {})
    if "StreamStatus" not in told:
        return None
    shards = told.get("OpenShardCount")
    return StreamSummary(
        status=redaction.code(told["StreamStatus"]),
        mode=_code(told.get("StreamModeDetails", {}).get("StreamMode")),
        distribution=_code(told.get("RecordDistributionStrategy")),
        max_record_kib=told.get("MaxRecordSizeInKiB"),
        open_shards=shards if isinstance(shards, int) else None,
        encryption=_code(told.get("EncryptionType")),
        key_id=redaction.sentence(told["KeyId"]) if told.get("KeyId") else None,
        answered_at=_date(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")),
    )


def _code(said: object) -> str | None:
    return None if said is None else redaction.code(said)


def _date(header: object) -> datetime | None:
    if not isinstance(header, str):
        return None
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
