"""Numbers: exact ones as an integer and a scale, or as a text; floating ones with a point. Pure."""

from __future__ import annotations

from math import isfinite, isnan

from msgspec import Raw

from forwarder.records.formats.debezium.conversion import Convert

# numeric has them; in JSON they are strings.
_NO_NUMBERS = {b'"NaN"': "NAN", b'"Infinity"': "POSITIVE_INFINITY", b'"-Infinity"': "NEGATIVE_INFINITY"}
# Python's int() takes no longer text.
_MOST_DIGITS = 4300
_LARGEST_OID = (1 << 32) - 1
# money always has two decimal places: $1,234.56
_MONEY_SCALE = 2


def fixed_point(scale: int) -> Convert:
    """Of numeric(10,2): ``99.90`` becomes the bytes of 9990. What is no number becomes null."""

    # Where nearly all values have their point.
    place = slice(-scale - 1, -scale or None)
    point = b"." if scale > 0 else None

    def convert(raw: bytes) -> bytes | None:
        if raw[place] == point:
            return _bytes(raw.replace(b".", b""))
        if raw in _NO_NUMBERS:
            return None
        whole, _, fraction = raw.partition(b".")
        return _bytes(b"".join(_scaled(whole, fraction, scale)))

    return convert


def variable_point(raw: bytes) -> object:
    """Of numeric: ``123.4500`` becomes a scale of 2 and the bytes of 12345. What is no number becomes null."""
    if raw in _NO_NUMBERS:
        return None
    whole, _, fraction = raw.partition(b".")
    fraction = fraction.rstrip(b"0")
    return {"scale": len(fraction), "value": _bytes(whole + fraction)}


def numeric_text(raw: bytes) -> object:
    """``123.4500`` becomes ``"123.4500"``."""
    return raw.decode() if raw[:1].isdigit() or raw[:1] == b"-" else _NO_NUMBERS.get(raw) or Raw(raw)


def numeric_double(raw: bytes) -> object:
    """``99.90`` becomes ``99.9``: the nearest double."""
    return Raw(raw) if raw[:1] == b'"' else double(float(raw))


def money(convert: Convert | None) -> Convert:
    """``"-$1,234.56"`` as a numeric with two decimal places, by ``convert``; None: in the way of numeric(…,2)."""
    as_numeric = convert or fixed_point(_MONEY_SCALE)

    def convert_money(raw: bytes) -> object:
        number = raw.strip(b'"').replace(b"$", b"").replace(b",", b"")
        float(number)
        return as_numeric(number)

    return convert_money


def floating(raw: bytes) -> Raw:
    """``5`` becomes ``5.0``: so it is a floating number to whoever tells from the text. Others are as they are."""
    return Raw(raw + b".0" if raw.lstrip(b"-").isdigit() else raw)


def double(number: float) -> float | str:
    """As JSON has it: what is no number is a string, ``"NaN"`` or ``"Infinity"``."""
    if isfinite(number):
        return number
    return "NaN" if isnan(number) else "Infinity" if number > 0 else "-Infinity"


def oid(raw: bytes) -> int:
    """``"4711"`` becomes ``4711``."""
    number = int(raw.strip(b'"'))
    if number > _LARGEST_OID:
        raise ValueError("it is no oid")
    return number


def _scaled(whole: bytes, fraction: bytes, scale: int) -> tuple[bytes, bytes]:
    """The digits so that there are ``scale`` behind the point; where that is negative, -scale zeros less before it."""
    fraction = fraction.rstrip(b"0")
    if len(fraction) > max(scale, 0):
        raise ValueError("the number has more decimal places than its column")
    if scale >= 0:
        return whole, fraction.ljust(scale, b"0")
    if whole.strip(b"-0") and not whole.endswith(b"0" * -scale):
        raise ValueError("the number has more digits than its column")
    return whole[:scale] or b"0", b""


def _bytes(digits: bytes) -> bytes:
    """The least bytes that hold the number: big endian, two's complement."""
    number = int(digits) if len(digits) <= _MOST_DIGITS else _long_integer(digits)
    bits = (number if number >= 0 else ~number).bit_length()
    return number.to_bytes(bits // 8 + 1, "big", signed=True)


def _long_integer(digits: bytes) -> int:
    """Of any number of digits, by halves: in a time that is far below the square of that number."""
    if digits[:1] == b"-":
        return -_long_integer(digits[1:])
    if len(digits) <= _MOST_DIGITS:
        return int(digits)
    low = len(digits) // 2
    shift: int = 10**low
    return _long_integer(digits[:-low]) * shift + _long_integer(digits[-low:])
