"""The formats of records and their options, as a sink's URL names them: ``format=dms&IncludeTransactionDetails=true``. Pure.

Each format is a class, whose fields are its options under the names that they have in the URL. A new format has a class here, a line in ``FORMATS``,
its module in ``forwarder/records/formats/``, and a line in ``forwarder/records/formats/catalogue.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_args, get_type_hints

from forwarder.config.suggestions import nearest
from forwarder.errors import Misconfigured

_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """Our own format, and the only one that tells everything."""


Format = Native

FORMATS: Mapping[str, type[Format]] = {"native": Native}


def format_of(name: str, options: Mapping[str, str]) -> Format:
    """The format with this name, with the options that are its own; others in ``options`` are not looked at.

    Raises:
        Misconfigured: it has no such name, or an option no such value; or one is an option of other formats alone. It is put behind
            ``sink URL '…': ``.
    """
    if name not in FORMATS:
        raise Misconfigured(f"format={name!r} is unknown; {nearest(name, tuple(FORMATS))}")
    types = get_type_hints(FORMATS[name])
    if foreign := next((option for option in options if option in OPTIONS and option not in types), None):
        theirs = " or ".join(f"format={other}" for other in FORMATS if foreign in _options(other))
        raise Misconfigured(f"{foreign} is an option of {theirs}, and the format is {name}; leave one of them out")
    return FORMATS[name](
        **{option: _value(option, value, types[option]) for option, value in options.items() if option in types}
    )


def _options(name: str) -> Sequence[str]:
    return [field.name for field in fields(FORMATS[name])]


def _value(option: str, value: str, type_: Any) -> object:
    """The value of an option as its field has it: a text, a yes or no, or one of a few words."""
    if type_ is str:
        return value
    choices: Mapping[str, object] = _BOOLEANS if type_ is bool else {word: word for word in get_args(type_)}
    if value not in choices:
        raise Misconfigured(f"{option}={value!r} is unknown; {nearest(value, tuple(choices))}")
    return choices[value]


# The options of all formats.
OPTIONS = tuple(dict.fromkeys(option for name in FORMATS for option in _options(name)))
