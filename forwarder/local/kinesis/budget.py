"""What one shard lets through: the quotas of Kinesis, each with a burst of one second.

Source: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
"""

from forwarder.local.kinesis.token_bucket import TokenBucket

MEBIBYTE = 1 << 20
WRITE_RECORDS_PER_SECOND = 1000
WRITE_BYTES_PER_SECOND = MEBIBYTE
READ_CALLS_PER_SECOND = 5
READ_BYTES_PER_SECOND = 2 * MEBIBYTE


class ShardBudget:
    """The write and the read allowance of one shard."""

    __slots__ = ("_read_bytes", "_read_calls", "_write_bytes", "_write_records")

    def __init__(self, *, now: float) -> None:
        self._write_records = _bucket(WRITE_RECORDS_PER_SECOND, now=now)
        self._write_bytes = _bucket(WRITE_BYTES_PER_SECOND, now=now)
        self._read_calls = _bucket(READ_CALLS_PER_SECOND, now=now)
        self._read_bytes = _bucket(READ_BYTES_PER_SECOND, now=now)

    def admits_record(self, size: int, *, now: float) -> bool:
        """Whether a record of ``size`` bytes (data and partition key) may be written now; if so, it is taken out of the allowance."""
        if not (self._write_records.holds(1, now=now) and self._write_bytes.holds(size, now=now)):
            return False
        self._write_records.spend(1)
        self._write_bytes.spend(size)
        return True

    def admits_read(self, *, now: float) -> bool:
        """Whether GetRecords may be called now; if so, the call is counted. Its bytes are counted afterwards, by ``spend_read``."""
        if not (self._read_calls.holds(1, now=now) and self._read_bytes.holds(1, now=now)):
            return False
        self._read_calls.spend(1)
        return True

    def spend_read(self, size: int) -> None:
        self._read_bytes.spend(size)


def _bucket(per_second: float, *, now: float) -> TokenBucket:
    return TokenBucket(rate=per_second, burst=per_second, now=now)
