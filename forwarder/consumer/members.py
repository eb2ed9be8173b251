"""The members of a JSON object whose types are not known: each is asked for with the type that it should have. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from forwarder.consumer.unreadable import Unreadable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The end of the year 9999, in seconds since then.
_LATEST = 253_402_300_800


class Members:
    """The members of one object of a record. What is missing, or null, is None."""

    __slots__ = ("_format", "values")

    def __init__(self, values: Mapping[str, Any], *, format: str) -> None:
        self.values = values
        self._format = format

    def text(self, name: str) -> str | None:
        """A string.

        Raises:
            Unreadable: it is something else. So do the others.
        """
        value = self.values.get(name)
        if value is None or isinstance(value, str):
            return value
        raise self._wrong(name, "a string")

    def number(self, name: str) -> int | None:
        """A whole number, which may be written as a string of digits."""
        value = self.values.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 40:
            return int(value)
        # True is an int to isinstance().
        if value is None or type(value) is int:
            return value
        raise self._wrong(name, "a whole number")

    def row(self, name: str) -> Mapping[str, Any] | None:
        """An object."""
        value = self.values.get(name)
        if value is None or isinstance(value, dict):
            return value
        raise self._wrong(name, "an object")

    def names(self, name: str) -> tuple[str, ...] | None:
        """A list of strings."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise self._wrong(name, "a list of names")

    def time(self, name: str) -> datetime | None:
        """A time as ISO 8601 writes it, in UTC if it names no zone."""
        text = self.text(name)
        if text is None:
            return None
        try:
            time = datetime.fromisoformat(text)
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise self._wrong(name, "a time") from None

    def time_since_1970(self, name: str, *, units_a_second: int) -> datetime | None:
        """A time as the number of units since 1970 began, in UTC."""
        value = self.values.get(name)
        if value is None:
            return None
        is_number = type(value) is int or isinstance(value, (Decimal, float))
        # Of 1e99999999, int() would make as many digits.
        if not is_number or not 0 <= value < _LATEST * units_a_second:
            raise self._wrong(name, "a time")
        return _EPOCH + timedelta(microseconds=int(value * (1_000_000 // units_a_second)))

    def inner(self, name: str) -> Members:
        """The members of an object, of which there are none if it is missing."""
        return Members(self.row(name) or {}, format=self._format)

    def _wrong(self, name: str, wanted: str) -> Unreadable:
        return Unreadable(f"no {self._format} record: {name!r} is not {wanted}")
