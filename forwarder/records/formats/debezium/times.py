"""Dates, times and timestamps: days, or microseconds, since 1970-01-01; or a text in the manner of ISO 8601. Pure.

Years are counted as ISO 8601 does, so that 1 BC is the year 0: ``0044-03-15 BC`` is ``-0043-03-15``.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Raw

from forwarder.records.formats.debezium.conversion import Convert

SECOND = 1_000_000
DAY = 86_400 * SECOND

_DATE = re.compile(rb"(\d{4,7})-(\d\d)-(\d\d)( BC)?")
_TIMESTAMP = re.compile(
    rb'"(?P<date>\d{4,7}-\d\d-\d\d)T(?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,6}))?(?P<zone>\+00:00)?(?P<bc> BC)?"'
)
_CLOCK = re.compile(rb'"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?"')

# What Debezium has for infinite timestamps, in microseconds; in nanoseconds it is the most that the number holds.
_INFINITE_MICROSECONDS = {b'"infinity"': 9223372036825200000, b'"-infinity"': -9223372036832400000}
_INFINITE_TEXTS = {b'"infinity"': "+294247-01-10T04:00:25.2Z", b'"-infinity"': "-290308-12-21T19:59:27.6Z"}
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
# Of infinite dates: days that no date of PostgreSQL reaches, and the same as texts.
_INFINITE_DAYS = {b'"infinity"': (1 << 31) - 1, b'"-infinity"': -(1 << 31)}
_INFINITE_DATES = {b'"infinity"': "+5881580-07-11Z", b'"-infinity"': "-5877641-06-23Z"}


@lru_cache(maxsize=4096)
def days(raw: bytes) -> int:
    """``"2024-02-29"`` becomes ``19782``."""
    return _INFINITE_DAYS[raw] if raw in _INFINITE_DAYS else _midnight(raw[1:-1]) // DAY


def iso_date(raw: bytes) -> str:
    """``"2024-02-29"`` becomes ``"2024-02-29Z"``."""
    return _INFINITE_DATES[raw] if raw in _INFINITE_DATES else _iso_day(raw[1:-1]) + "Z"


def timestamp(nanoseconds: int) -> Convert:
    """``"2024-02-29T13:14:15.123456"`` becomes ``1709212455123456``, in units of so many nanoseconds. Null, if that has no room in 64 bits."""

    def convert(raw: bytes) -> int | None:
        if raw in _INFINITE_MICROSECONDS:
            return min(max(_INFINITE_MICROSECONDS[raw] * 1000 // nanoseconds, _LEAST), _MOST)
        number = _since_1970(raw) * 1000 // nanoseconds
        return number if _LEAST <= number <= _MOST else None

    return convert


def iso_timestamp(raw: bytes) -> str:
    """``"2024-02-29T13:14:15.5"`` becomes ``"2024-02-29T13:14:15.5Z"``."""
    return _INFINITE_TEXTS.get(raw) or _iso_timestamp(raw, least_digits=0)


def timestamptz(digits: int) -> Convert:
    """Of timestamptz(3): ``"2024-02-29T13:14:15.12+00:00"`` becomes ``"2024-02-29T13:14:15.120Z"``."""
    # "2024-02-29T13:14:15.123+00:00", quotation marks included.
    usual_length = 27 + digits + (digits > 0)

    def convert(raw: bytes) -> object:
        if len(raw) == usual_length and raw[-7:] == b'+00:00"' and raw[11:12] == b"T":
            return Raw(raw[:-7] + b'Z"')
        return Raw(raw) if raw in _INFINITE_MICROSECONDS else _iso_timestamp(raw, least_digits=digits)

    return convert


def time(nanoseconds: int) -> Convert:
    """``"13:14:15.123456"`` becomes ``47655123456``, in units of so many nanoseconds."""

    def convert(raw: bytes) -> int:
        return _clock(raw)[0] * 1000 // nanoseconds

    return convert


def iso_time(raw: bytes) -> str:
    """``"13:14:15.5"`` becomes ``"13:14:15.5Z"``. The end of the day, ``24:00:00``, which readers of ISO 8601 refuse, becomes its beginning."""
    return _time_of_day(_clock(raw)[0]) + "Z"


def timetz(raw: bytes) -> str:
    """``"13:14:15+02"`` becomes ``"13:14:15+02:00"``."""
    microseconds, zone = _clock(raw)
    minutes, seconds = divmod(abs(zone), 60)
    offset = f"{'-' if zone < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}" + (
        f":{seconds:02d}" if seconds else ""
    )
    return _time_of_day(microseconds) + (offset if zone else "Z")


def timetz_utc(raw: bytes) -> str:
    """``"13:14:15+02"`` becomes ``"11:14:15Z"``."""
    microseconds, zone = _clock(raw)
    return _time_of_day(microseconds - zone * SECOND) + "Z"


def _time_of_day(microseconds: int) -> str:
    seconds, fraction = divmod(microseconds % DAY, SECOND)
    minutes, seconds = divmod(seconds, 60)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
    return f"{text}.{fraction:06d}".rstrip("0") if fraction else text


def _clock(raw: bytes) -> tuple[int, int]:
    """Microseconds since midnight, and the zone in seconds to the east."""
    found = _CLOCK.fullmatch(raw)
    if found is None:
        raise ValueError("it is no time")
    hours, minutes, seconds, fraction, sign, *zone = found.groups(default=b"0")
    east, of_hour, of_minute = map(int, zone)
    offset = (east * 60 + of_hour) * 60 + of_minute
    since_midnight = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * SECOND + int(fraction.ljust(6, b"0"))
    return since_midnight, -offset if sign == b"-" else offset


def _iso_timestamp(raw: bytes, *, least_digits: int) -> str:
    found = _timestamp(raw)
    fraction = (found["fraction"] or b"").ljust(least_digits, b"0").decode()
    day = _iso_day(found["date"] + (found["bc"] or b""))
    return f"{day}T{found['clock'].decode()}{'.' if fraction else ''}{fraction}Z"


def _timestamp(raw: bytes) -> re.Match[bytes]:
    found = _TIMESTAMP.fullmatch(raw)
    if found is None:
        raise ValueError("it is no timestamp")
    return found


def _since_1970(raw: bytes) -> int:
    """Microseconds from a timestamp."""
    fraction = raw[21:-1]
    if raw[11:12] == b"T" and (raw[20:] == b'"' or (raw[20:21] == b"." and fraction.isdigit())) and len(fraction) <= 6:
        clock = (int(raw[12:14]) * 60 + int(raw[15:17])) * 60 + int(raw[18:20])
        return _midnight(raw[1:11]) + clock * SECOND + int(fraction.ljust(6, b"0"))
    found = _timestamp(raw)
    hours, minutes, seconds = map(int, found["clock"].split(b":"))
    clock = (hours * 60 + minutes) * 60 + seconds
    fraction = (found["fraction"] or b"").ljust(6, b"0")
    return _midnight(found["date"] + (found["bc"] or b"")) + clock * SECOND + int(fraction)


@lru_cache(maxsize=4096)
def _midnight(date: bytes) -> int:
    """Microseconds from ``2024-02-29`` or ``0044-03-15 BC``, in the Gregorian calendar, which PostgreSQL extends to all times."""
    year, month, day = _day(date)
    # Years that begin in March, so that the leap day is the last of its year; and the algorithm "days_from_civil" of Howard Hinnant.
    year -= month <= 2
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    era, year_of_era = divmod(year, 400)
    return (era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + of_year - 719_468) * DAY


def _iso_day(date: bytes) -> str:
    year, month, day = _day(date)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04d}-{month:02d}-{day:02d}"


def _day(date: bytes) -> tuple[int, int, int]:
    found = _DATE.fullmatch(date)
    if found is None:
        raise ValueError("it is no date")
    year = int(found[1])
    return 1 - year if found[4] else year, int(found[2]), int(found[3])
