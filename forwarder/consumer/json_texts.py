"""Reads the JSON values of a payload, which may hold several, and keeps every number as it was written. Pure.

::

    {"id":1}                    one record
    {"id":1}\\n                  with the line break that Athena needs
    {"id":1}{"id":2}            what Firehose makes of two without it
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn

from forwarder.consumer.json_end import end_of_value
from forwarder.consumer.unreadable import Tell, Unreadable

# int() takes no more.
_MOST_DIGITS = 4300
_BLANKS = re.compile(r"[ \t\r\n]*")


def values(payload: bytes, tell: Tell, *, floats: bool = False) -> Iterator[tuple[str, Any]]:
    """Each value with the text that it was read from.

    Numbers are int; Decimal, or float if ``floats``, where they have a point or an exponent; Decimal where they have more than 4,300 digits.

    ``tell`` is told of what cannot be read: a payload that is not UTF-8; all behind what is not JSON; and single values that are beyond bounds.
    """
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        tell(Unreadable(f"not UTF-8, at byte {error.start}"))
        return
    end = _after_blanks(text, 0)
    while end < len(text):
        start = end
        try:
            value, end = _decode(text, start, floats=floats)
        except _NotJson as error:
            tell(error)
            return
        except Unreadable as error:
            tell(error)
            end = end_of_value(text, start)
        else:
            yield text[start:end], value
        end = _after_blanks(text, end)


class _NotJson(Unreadable):
    """Where the next value begins cannot be told."""


def _after_blanks(text: str, start: int) -> int:
    match = _BLANKS.match(text, start)
    return match.end() if match else start


def _decode(text: str, start: int, *, floats: bool) -> tuple[Any, int]:
    try:
        return _DECODERS[floats].raw_decode(text, start)
    except JSONDecodeError as error:
        # The error's own text would do, but its line is that of a record, which has one.
        raise _NotJson(f"not JSON, at character {error.pos}") from None
    except RecursionError:
        raise Unreadable("too many levels of arrays and objects") from None
    except ValueError:
        # int() takes at most 4,300 digits, since its time grows with their square. PostgreSQL's numeric has up to 131,072, its json any number.
        return _DECODERS_OF_LONG_NUMBERS[floats].raw_decode(text, start)
    except ArithmeticError:
        raise Unreadable("a number has an exponent beyond all bounds") from None


def _short_or_exact(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _MOST_DIGITS else Decimal(digits)


def _refuse(constant: str) -> NoReturn:
    raise Unreadable(f"not JSON: {constant}")


def _decoder(*, floats: bool, long: bool) -> JSONDecoder:
    return JSONDecoder(
        parse_float=float if floats else Decimal,
        parse_int=_short_or_exact if long else int,
        parse_constant=_refuse,
    )


_DECODERS = {floats: _decoder(floats=floats, long=False) for floats in (False, True)}
_DECODERS_OF_LONG_NUMBERS = {floats: _decoder(floats=floats, long=True) for floats in (False, True)}
