"""Times as text, in UTC. Pure."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
# Decimal digits of milliseconds, or of microseconds.
_THREE_DIGITS = [f"{number:03d}" for number in range(1000)]


def time_of(microseconds: int) -> str:
    """``2026-01-02T03:04:05.123456Z`` from microseconds since 2000-01-01 UTC."""
    fraction = microseconds % _SECOND
    thousands = fraction // 1000
    return (
        f"{clock_of(microseconds - fraction)}.{_THREE_DIGITS[thousands]}{_THREE_DIGITS[fraction - 1000 * thousands]}Z"
    )


@lru_cache(maxsize=16)
def clock_of(microseconds: int) -> str:
    """``2026-01-02T03:04:05`` from microseconds since 2000-01-01 UTC, of whole seconds."""
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S")
