"""Attribute values of DynamoDB, ``{"N":"42"}``, made of the JSON that PostgreSQL writes; and how many bytes DynamoDB counts for each. Pure.

The kind of JSON decides what a value becomes, which need not be of its column's type any more: a string is S, a number N, an array L, an object M.
Only the strings of three types are something else (``STRINGS``).

What DynamoDB has no room for becomes S, with the text of the value: numbers of more than 38 digits or out of range, and documents of more than 32
levels. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html has the rules, and
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html how bytes are counted.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, InvalidOperation

# The attribute value as JSON, and its size in bytes.
Attribute = tuple[str, int]
# Makes an attribute value of a JSON string, which has its quotes and escapes.
FromString = Callable[[str], Attribute]

MAX_DIGITS = 38
MAX_LEVELS = 32
# Where the first digit of a number may be. DynamoDB itself takes numbers from 1E-130, but boto3 cannot read those below 1E-128.
_EXPONENTS = range(-128, 126)
_EXACT = Context(prec=MAX_DIGITS)

NULL: Attribute = ('{"NULL":true}', 1)
_WORDS: Mapping[str, Attribute] = {"null": NULL, "true": ('{"BOOL":true}', 1), "false": ('{"BOOL":false}', 1)}
_MONEY = re.compile(r'"(-?)\$([0-9,]+\.[0-9]+)"')
# A string; what opens, closes or separates; a number or a word.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def attribute(value: str, from_string: FromString) -> Attribute:
    """The attribute value of a JSON value. ``from_string`` makes those of the strings in it, but not of the names in objects."""
    first = value[0]
    if first == '"':
        return from_string(value)
    if first in "{[":
        return _document(value, from_string)
    return _WORDS.get(value) or _number(value)


def text(value: str) -> Attribute:
    """S, of any JSON string."""
    return f'{{"S":{value}}}', string_size(value)


def string_size(value: str) -> int:
    """Bytes of a JSON string in UTF-8, without its quotes and escapes."""
    if "\\" in value:
        return len(json.loads(value).encode("utf-8", "surrogatepass"))
    return (len(value) if value.isascii() else len(value.encode())) - 2


def number_size(value: str) -> int:
    """Bytes of a number that is trimmed: two of its digits have one, not counted zeros at either end; and one more, or two below zero."""
    digits = value.strip("-0.")
    return (len(digits) + ("." not in digits)) // 2 + (2 if value[0] == "-" else 1)


def trimmed(value: str) -> str:
    """A number that has no exponent, without the zeros at the end of its fraction: DynamoDB leaves them out. 1.50 is 1.5, and -0.00 is 0."""
    if "." in value:
        value = value.rstrip("0").rstrip(".")
    return value if value != "-0" else "0"


def _number(value: str) -> Attribute:
    if len(value) <= MAX_DIGITS and "e" not in value and "E" not in value:
        value = trimmed(value)
        return f'{{"N":"{value}"}}', number_size(value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        # An exponent of more than 18 digits.
        return f'{{"S":"{value}"}}', len(value)
    digits = value.lower().partition("e")[0].replace(".", "").strip("-0")
    if not digits:
        return '{"N":"0"}', 1
    if len(digits) > MAX_DIGITS or number.adjusted() not in _EXPONENTS:
        return f'{{"S":"{value}"}}', len(value)
    return f'{{"N":"{number.normalize(_EXACT)}"}}', (len(digits) + 1) // 2 + (2 if value[0] == "-" else 1)


def _bytea(value: str) -> Attribute:
    if value.startswith('"\\\\x'):
        try:
            content = binascii.unhexlify(value[4:-1])
        except ValueError:
            return text(value)
        return f'{{"B":"{binascii.b2a_base64(content, newline=False).decode()}"}}', len(content)
    return text(value)


def _oid(value: str) -> Attribute:
    digits = value[1:-1]
    return _number(digits) if digits.isascii() and digits.isdigit() else text(value)


def _money(value: str) -> Attribute:
    found = _MONEY.fullmatch(value)
    return _number(found[1] + found[2].replace(",", "")) if found else text(value)


# What strings become, by the names that types have in pg_catalog. Those of all other types are S.
STRINGS: Mapping[str, FromString] = {"bytea": _bytea, "money": _money, "oid": _oid}


def _document(value: str, from_string: FromString) -> Attribute:
    """M or L, of an object or an array. Of several members with one name the last counts, as PostgreSQL has it."""
    # Each object or array that is open, from the outermost on: what it has so far, and the name of the member whose value comes next.
    opened: list[tuple[dict[str, Attribute] | list[Attribute], list[str]]] = []
    for token in _TOKEN.findall(value):
        if token in "{[":
            if len(opened) == MAX_LEVELS:
                break
            opened.append(({} if token == "{" else [], []))
            continue
        if token in ",:":
            continue
        inside, names = opened[-1]
        if token[0] == '"' and not names and isinstance(inside, dict):
            names.append(token)
            continue
        if token in "]}":
            made = _closed(inside)
            opened.pop()
            if not opened:
                return made
            inside, names = opened[-1]
        else:
            made = attribute(token, from_string)
        if isinstance(inside, dict):
            inside[names.pop()] = made
        else:
            inside.append(made)
    return f'{{"S":{json.dumps(value, ensure_ascii=False)}}}', len(value.encode())


def _closed(inside: dict[str, Attribute] | list[Attribute]) -> Attribute:
    """Each element costs a byte more than its name and value have, and the whole three."""
    if isinstance(inside, dict):
        members = ",".join([f"{name}:{made}" for name, (made, _) in inside.items()])
        return f'{{"M":{{{members}}}}}', 3 + sum([1 + string_size(name) + size for name, (_, size) in inside.items()])
    return f'{{"L":[{",".join([made for made, _ in inside])}]}}', 3 + sum([1 + size for _, size in inside])
