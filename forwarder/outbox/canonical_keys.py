"""Writes keys that PostgreSQL takes for equal in one way, so that all changes of a row have one key and one lane. Pure.

Such keys are 1 and 1.00 (numeric), 0 and -0 (float8), and ``"a"`` and ``"a  "`` (``char`` without a length). Each is written twice:

1. ``canonical`` makes the value that a record shows. It changes numbers alone.
2. ``lane`` makes the text that a partition key consists of. It also makes equal what a record has to show as it is, such as blanks at the
   end of a string. It may make values equal that are not: their rows then share a lane, which costs a little speed.

A row's JSON image tells numbers from strings, so the type of a column is not needed: it may have changed since the row was captured.
"""

import re
from decimal import Decimal

# A whole JSON string, so that what looks like a number in it is passed over; or a number.
_STRING_OR_NUMBER = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?')
# These two can begin only where a run of digits, or of blanks, begins. If they could begin at each character of a run, a run of a million
# would be gone through a million times.
_NUMBER_IN_STRING = re.compile(r"(?<![0-9])-?[0-9]+\.[0-9]+|-0(?![.0-9])")
_BLANKS_BEFORE_QUOTE = re.compile(r'(?<! ) +(?=")')
# A range is a JSON string, and its bounds may be in escaped quotes: `"[\"a b\",\"c d\")"`. The group is the bound. Possessive (`*+`), since
# backtracking would go through a long text of quotes once for each of them.
_QUOTED_BOUND = re.compile(r'\\"((?:[^"\\]|\\[^"]|\\"\\")*+)\\"')
# PostgreSQL quotes a bound that is empty or has one of these.
_NEEDS_QUOTES = re.compile(r'[ ()\[\],"\\]')

# No float8 has an exponent of more digits. A number that somebody's cast to json has made may have, and written without an exponent it could
# fill the memory: such a number stays as it is.
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
    """The part of a partition key that a canonical value makes: the same text for values that may be equal to PostgreSQL.

    Beyond ``canonical`` this changes strings too: a ``char`` without a length may have blanks at its end, and a range is a string in which
    numbers and blanks stand.
    """
    if value[0] in "[{" or value[:2] in ('"[', '"(', '"{'):
        value = _QUOTED_BOUND.sub(_unpadded, _BLANKS_BEFORE_QUOTE.sub("", value))
        value = _NUMBER_IN_STRING.sub(lambda found: _number(found[0]), value)
    return value.strip('" ')


def _unpadded(found: re.Match[str]) -> str:
    """A quoted bound without the blanks at its end: ``"a "`` becomes ``a``, and ``"a b "`` becomes ``"a b"``, as PostgreSQL would write them."""
    bound = found[1].rstrip(" ")
    if bound == found[1]:
        return found[0]
    return f'\\"{bound}\\"' if not bound or _NEEDS_QUOTES.search(bound) else bound


def _canonical_number(found: re.Match[str]) -> str:
    """What takes the place of a match of ``_STRING_OR_NUMBER``."""
    text = found[0]
    return text if text[0] == '"' else _number(text)


def _number(text: str) -> str:
    """A number without exponent and without zeros at its end: 1.50e+1 becomes 15, and -0.0 becomes 0."""
    mantissa, _, exponent = text.lower().partition("e")
    if exponent:
        if len(exponent.lstrip("+-")) > _MAX_EXPONENT_DIGITS:
            return text
        mantissa = f"{Decimal(text):f}"
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa if mantissa.strip("-0") else "0"
