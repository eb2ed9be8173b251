"""PutRecord and PutRecords. All of a request is checked first; then each record is stored, or is not, by itself."""

from collections.abc import Sequence

from forwarder.local.kinesis import errors
from forwarder.local.kinesis.account import Context
from forwarder.local.kinesis.constraints import HASH_KEY, demand, matches, present, sized
from forwarder.local.kinesis.protocol import (
    OfStream,
    PutRecordRequest,
    PutRecordResponse,
    PutRecordsEntry,
    PutRecordsRequest,
    PutRecordsResponse,
    PutResult,
)
from forwarder.local.kinesis.shards import HASH_SPACE
from forwarder.local.kinesis.stream import Stream

MAX_RECORDS = 500
MAX_REQUEST_BYTES = 10 << 20
MAX_KEY_CHARACTERS = 256


def put_record(request: PutRecordRequest, context: Context) -> PutRecordResponse:
    """Store one record. If it cannot be stored, the request is refused."""
    stream = _writable(request, context)
    entry = PutRecordsEntry(
        data=request.data, partition_key=request.partition_key, explicit_hash_key=request.explicit_hash_key
    )
    _check(entry, stream)
    if request.dry_run:
        raise errors.dry_run()
    [result] = _put(stream, [entry], context)
    if result.shard_id is None or result.sequence_number is None:
        status = 500 if result.error_code == "InternalFailure" else 400
        raise errors.KinesisError(result.error_code or "", result.error_message or "", status=status)
    return PutRecordResponse(shard_id=result.shard_id, sequence_number=result.sequence_number, encryption_type="NONE")


def put_records(request: PutRecordsRequest, context: Context) -> PutRecordsResponse:
    """Store each record that can be stored; the answer says what became of each, in the order of the request."""
    demand(sized(request.records, "records", shortest=1, longest=MAX_RECORDS))
    stream = _writable(request, context)
    sizes = [_check(entry, stream, position) for position, entry in enumerate(request.records, start=1)]
    if sum(sizes) > MAX_REQUEST_BYTES:
        raise errors.invalid_argument("Records size exceeds 10 MB limit")
    if request.dry_run:
        raise errors.dry_run()
    results = _put(stream, request.records, context)
    return PutRecordsResponse(
        failed_record_count=sum(result.error_code is not None for result in results),
        records=results,
        encryption_type="NONE",
    )


def _writable(request: OfStream, context: Context) -> Stream:
    """The stream that is written to. As long as one is CREATING or DELETING, AWS answers as if it did not exist."""
    stream = context.account.find(request)
    if stream.status in ("CREATING", "DELETING"):
        raise errors.not_found(f"{stream.identity} not found.")
    return stream


def _put(stream: Stream, entries: Sequence[PutRecordsEntry], context: Context) -> list[PutResult]:
    failed, now = context.failed_records, context.now
    return [
        stream.fail(entry, error_code=failed[position]) if position in failed else stream.put(entry, now=now)
        for position, entry in enumerate(entries)
    ]


def _check(entry: PutRecordsEntry, stream: Stream, position: int = 0) -> int:
    """Check one record; its size in bytes, of data and partition key. ``position`` is that in the request, from 1; 0: it is alone."""
    key = entry.partition_key
    if key is None or not 1 <= len(key) <= MAX_KEY_CHARACTERS:
        _check_key(key, position, stream)
    if entry.explicit_hash_key is not None:
        _check_hash_key(entry.explicit_hash_key, position)
    size = len(entry.data) + len((key or "").encode())
    if size > stream.settings.max_record_kib << 10:
        _refuse_size(position, stream)
    return size


def _check_key(key: str | None, position: int, stream: Stream) -> None:
    """Check a partition key. A stream that distributes records by itself takes them without one."""
    at = _member("partitionKey", position)
    missing = None if stream.settings.distribution == "AUTO" else present(key, at)
    demand(missing, sized(key, at, shortest=1, longest=MAX_KEY_CHARACTERS))


def _check_hash_key(hash_key: str, position: int) -> None:
    demand(matches(hash_key, _member("explicitHashKey", position), pattern=HASH_KEY))
    if int(hash_key) >= HASH_SPACE:
        raise errors.invalid_argument(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
            f"Specified value was {hash_key}"
        )


def _refuse_size(position: int, stream: Stream) -> None:
    demand(
        f"Value at '{_member('data', position)}' failed to satisfy constraint: "
        f"Member must have length less than or equal to {stream.settings.max_record_kib << 10}"
    )


def _member(name: str, position: int) -> str:
    return f"records.{position}.member.{name}" if position else name
