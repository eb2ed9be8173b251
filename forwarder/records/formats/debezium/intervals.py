"""Intervals: ``1 year 2 mons 3 days 04:05:06.789``, as the setting ``intervalstyle = postgres`` has them. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_INTERVAL = re.compile(
    rb'"(?:(-?\d+) years?)?(?: ?\+?(-?\d+) mons?)?(?: ?\+?(-?\d+) days?)?(?: ?\+?(-?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?"'
)
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
# Debezium's month: a twelfth of 365.25 days.
_MONTH = 2_629_800 * _SECOND
# What a number in the record holds. Longer intervals, infinite ones among them, are as long as that.
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_INFINITE = {b'"infinity"': _MOST, b'"-infinity"': _LEAST}


class _Interval(NamedTuple):
    years: int
    months: int
    days: int
    # These have one sign.
    hours: int
    minutes: int
    microseconds: int


def microseconds(raw: bytes) -> int:
    """``"1 day 00:00:01"`` becomes ``86401000000``."""
    if raw in _INFINITE:
        return _INFINITE[raw]
    interval = _parse(raw)
    length = (12 * interval.years + interval.months) * _MONTH + interval.days * _DAY
    length += (60 * interval.hours + interval.minutes) * 60 * _SECOND + interval.microseconds
    return min(max(length, _LEAST), _MOST)


def iso(raw: bytes) -> str:
    """``"1 year -2 days 03:00:00.5"`` becomes ``"P1Y0M-2DT3H0M0.5S"``. Infinite ones are as they are."""
    if raw in _INFINITE:
        return raw[1:-1].decode()
    years, months, days, hours, minutes, microseconds = _parse(raw)
    seconds, fraction = divmod(abs(microseconds), _SECOND)
    sign = "-" if microseconds < 0 else ""
    decimals = f".{fraction:06d}".rstrip("0") if fraction else ""
    return f"P{years}Y{months}M{days}DT{hours}H{minutes}M{sign}{seconds}{decimals}S"


def _parse(raw: bytes) -> _Interval:
    found = _INTERVAL.fullmatch(raw)
    if found is None or raw == b'""':
        raise ValueError("it is no interval")
    years, months, days, sign, hours, minutes, seconds, fraction = found.groups(default=b"0")
    of_time = -1 if sign == b"-" else 1
    return _Interval(
        int(years),
        int(months),
        int(days),
        of_time * int(hours),
        of_time * int(minutes),
        of_time * (int(seconds) * _SECOND + int(fraction.ljust(6, b"0"))),
    )
