"""Names the stream of a table by the template in a sink URL: ``kinesis://{schema}-{table}``. Pure.

Characters that a stream's name may not have become ``_``. A name of more than 128 characters is cut, and ends with a part of its hash.
Example: with ``cdc-{schema}-{table}`` the table ``public.order items`` goes to the stream ``cdc-public-order_items``.
"""

from __future__ import annotations

import hashlib
import re

# As in botocore's model of Kinesis.
MAX_CHARACTERS = 128

_BRACES = re.compile(r"\{[^{}]*\}?|\}")
_PLACEHOLDERS = ("{schema}", "{table}")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_.-]")
_HASH_DIGITS = 16


def is_template(stream: str) -> bool:
    """Whether this is no stream, but names one for each table."""
    return bool(_BRACES.search(stream))


def unknown_part(stream: str) -> str | None:
    """The first thing in braces that means nothing; None if there is none."""
    return next((part for part in _BRACES.findall(stream) if part not in _PLACEHOLDERS), None)


def stream_of(template: str, *, schema: str, table: str) -> str:
    """The stream, or its ARN if the template is one, of a table."""
    opening, slash, name = template.rpartition("/")
    filled = name.replace("{schema}", _plain(schema)).replace("{table}", _plain(table))
    if len(filled) > MAX_CHARACTERS:
        digest = hashlib.sha256(filled.encode()).hexdigest()[:_HASH_DIGITS]
        filled = f"{filled[: MAX_CHARACTERS - _HASH_DIGITS - 1]}-{digest}"
    return f"{opening}{slash}{filled}"


def _plain(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name)
