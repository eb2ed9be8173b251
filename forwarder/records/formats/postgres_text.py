"""Writes arrays, composites and hstores as PostgreSQL does, ``{1,2}``, ``(1,a)`` and ``"k"=>"v"``, from the JSON that it makes of them. Pure.

Values in them that msgspec does not read (half of a surrogate pair, a thousand levels) raise ``msgspec.DecodeError`` or ``RecursionError``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from forwarder.json_members import members

# From the JSON text of a value that is not null to its text.
Text = Callable[[str], str]

_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
# What an array has to put into quotes beside its delimiter: nothing at all, its own signs, blanks, and the word for null.
_QUOTED_ELEMENT = re.compile(r'|.*["\\{} \t\n\r\v\f].*|null', re.DOTALL | re.IGNORECASE)
_QUOTED_FIELD = re.compile(r'|.*["\\(), \t\n\r\v\f].*', re.DOTALL)
_BOOLEANS = {"true": "t", "false": "f"}


def plain_text(raw: str) -> str:
    """The text of a value of no known type: a string without its quotes, ``t`` or ``f``, and all else as the JSON that it is."""
    if raw.startswith('"'):
        text: str = msgspec.json.decode(raw)
        return text
    return _BOOLEANS.get(raw, raw)


def array_text(raw: str, text_of: Text = plain_text, *, nests: bool = True, delimiter: str = ",") -> str:
    """``{1,NULL,"a b"}`` from ``[1,null,"a b"]``.

    ``nests``: an array within it is a further dimension; else it is an element, as in an array of jsonb.
    """
    elements = []
    for element in map(_str, _ELEMENTS.decode(raw)):
        if element == "null":
            elements.append("NULL")
        elif nests and element.startswith("["):
            elements.append(array_text(element, text_of, delimiter=delimiter))
        else:
            text = text_of(element)
            is_quoted = delimiter in text or _QUOTED_ELEMENT.fullmatch(text)
            elements.append(_in_quotes(text) if is_quoted else text)
    return f"{{{delimiter.join(elements)}}}"


def composite_text(raw: str) -> str:
    """``(1,"a b",)`` from ``{"x":1,"y":"a b","z":null}``. Arrays and objects in it stay JSON, since nothing tells them from fields of type json."""
    fields = []
    for value in members(raw).values():
        text = "" if value == "null" else plain_text(value)
        if value != "null" and _QUOTED_FIELD.fullmatch(text):
            text = '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'
        fields.append(text)
    return f"({','.join(fields)})"


def hstore_text(raw: str) -> str:
    """``"k"=>"v", "n"=>NULL`` from ``{"k":"v","n":null}``."""
    pairs = []
    for name, value in members(raw).items():
        text = "NULL" if value == "null" else _in_quotes(plain_text(value))
        pairs.append(f"{_in_quotes(name)}=>{text}")
    return ", ".join(pairs)


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _str(raw: msgspec.Raw) -> str:
    return str(raw, "utf-8")
