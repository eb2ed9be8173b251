"""One way to write what PostgreSQL takes for equal and writes in several ways. Pure.

A row's JSON image tells numbers from strings by itself, so the type of a column need not be known: it may have changed since the
row was captured.
"""

import re
from decimal import Decimal

# A whole JSON string, so that what looks like a number in it is passed over; or a number.
_STRING_OR_NUMBER = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?')
# Each begins only where a run of digits or blanks does, or a run of a million would be gone through a million times.
_NUMBER_IN_STRING = re.compile(r"(?<![0-9])-?[0-9]+\.[0-9]+|-0(?![.0-9])")
_BLANKS_BEFORE_QUOTE = re.compile(r'(?<! ) +(?=")')
# A bound of a range in double quotes, in the JSON string that the range is. Possessive, or a long text of quotes would be gone through again
# for each of them.
_QUOTED_BOUND = re.compile(r'\\"((?:[^"\\]|\\[^"]|\\"\\")*+)\\"')
# PostgreSQL quotes a bound that is empty or has one of these.
_NEEDS_QUOTES = re.compile(r'[ ()\[\],"\\]')

# float8 has exponents of three digits; what a cast to json makes up may have any, and would fill the memory.
_MAX_EXPONENT_DIGITS = 3


def canonical(value: str) -> str:
    """A JSON value with every number in it written in one way: 1, not 1.00 and not 1e+00. Strings stay as they are."""
    first = value[0]
    if first == '"':
        return value
    if first in "[{":
        return _STRING_OR_NUMBER.sub(_canonical_number, value)
    return _number(value) if first in "-0123456789" else value


def lane(value: str) -> str:
    """The same text for canonical values that may be equal to PostgreSQL, and seldom for others: what a partition key is made of.

    Also of a string: ``char`` without a length keeps blanks at its end, and a range of numerics or of ``char`` is a string. That some rows which are
    not equal share a lane costs no more than a little speed.
    """
    if value[0] in "[{" or value[:2] in ('"[', '"(', '"{'):
        value = _QUOTED_BOUND.sub(_unpadded, _BLANKS_BEFORE_QUOTE.sub("", value))
        value = _NUMBER_IN_STRING.sub(lambda found: _number(found[0]), value)
    return value.strip('" ')


def _unpadded(found: re.Match[str]) -> str:
    """A quoted bound as PostgreSQL writes it without the blanks at its end; one without any as it is."""
    bound = found[1].rstrip(" ")
    if bound == found[1]:
        return found[0]
    return f'\\"{bound}\\"' if not bound or _NEEDS_QUOTES.search(bound) else bound


def _canonical_number(found: re.Match[str]) -> str:
    text = found[0]
    return text if text[0] == '"' else _number(text)


def _number(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    if exponent:
        if len(exponent.lstrip("+-")) > _MAX_EXPONENT_DIGITS:
            return text
        mantissa = f"{Decimal(text):f}"
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa if mantissa.strip("-0") else "0"
