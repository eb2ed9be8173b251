"""What a peer says, reduced to what may be repeated in the log, in ``/readyz`` and in metrics. Pure.

An error may quote what must not be seen there. AWS quotes a request whose signature is wrong, with its session token; a gateway may
quote the body of a request that it refuses, with rows in base64 and their keys. So ``sentence`` ends where a quotation begins:

    The request body {"Records":[{"Data":"eyJpZCI6NDJ9"}]} is too large.  ->  The request body
"""

from __future__ import annotations

import re

ODD_CODE = "odd code"

_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Enough for a sentence with two ARNs in it.
_CHARACTERS = 300
# How much of a text is looked at. No sentence is longer; a body that is quoted may be.
_HEARD_CHARACTERS = 2000
# Where a quotation begins: of headers, of a document in JSON or HTML, of a body in CBOR (a2 or bf, if the bytes are taken for characters), or
# of anything that is no text or stands on a line of its own.
_QUOTATION = re.compile(
    r"[{<\x00-\x08\x0a-\x1f\x7f-\xa2\xbf\ufffd]|Canonical|String-to-Sign|[\w-]*Authorization:|\b(Basic|Bearer) | HTTP/1",
    re.IGNORECASE,
)
_END_OF_SENTENCE = re.compile(r"\.\s")
# Data, a token or a signature. Words that begin as an ARN or a URL are left alone: the names in them may be as long.
_ENCODED = re.compile(r"[A-Za-z0-9+/_=%-]{40,}")
_ADDRESS = re.compile(r"\W*(arn:|\w+://)")
# The secret parts of an address: user and password, and the query.
_ASKED = re.compile(r"(?<=://)[^/@]*@|\?.*")


def code(said: object) -> str:
    """The name of an error or a state, fit to be a label of a metric; ``odd code`` for what is no such name."""
    return said if isinstance(said, str) and _CODE.fullmatch(said) else ODD_CODE


def sentence(said: object) -> str:
    """The first sentence of a text, up to where it begins to quote, on one line."""
    heard = f"{said}"[:_HEARD_CHARACTERS].lstrip()
    heard = _END_OF_SENTENCE.split(_QUOTATION.split(heard, maxsplit=1)[0], maxsplit=1)[0]
    words = [_ASKED.sub("", word) if _ADDRESS.match(word) else _ENCODED.sub("…", word) for word in heard.split()]
    return " ".join(words)[:_CHARACTERS].rstrip(" :,;")
