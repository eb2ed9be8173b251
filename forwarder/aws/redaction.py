"""What a peer says, as far as it is repeated in the log, in ``/readyz`` and in metrics. Pure.

AWS quotes a request whose signature is wrong, session token and all, and a gateway may quote the body of one that it does not let pass:
rows, in base64, and their keys.
"""

from __future__ import annotations

import re

ODD_CODE = "odd code"

_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Two ARNs and what is wrong with them have room in it.
_CHARACTERS = 300
# No sentence is longer; where a body without an end is quoted, no more is looked at.
_HEARD_CHARACTERS = 2000
# A quotation: of headers, of a document in JSON or HTML, or whatever stands on a line of its own.
_QUOTATION = re.compile(
    r"[{<\r\n]|Canonical|String-to-Sign|[\w-]*Authorization:|\b(Basic|Bearer) | HTTP/1", re.IGNORECASE
)
_END_OF_SENTENCE = re.compile(r"\.\s")
# Data, a token or a signature. The names in an ARN or a URL may be as long.
_ENCODED = re.compile(r"[A-Za-z0-9+/_=%-]{40,}")
_ADDRESS = re.compile(r"\W*(arn:|\w+://)")
# What is secret in an address: who asks, and what he asks for.
_ASKED = re.compile(r"(?<=://)[^/@]*@|\?.*")


def code(said: object) -> str:
    """A name of an error or a state; it may become a label of a metric."""
    return said if isinstance(said, str) and _CODE.fullmatch(said) else ODD_CODE


def sentence(said: object) -> str:
    """The first sentence, up to where it begins to quote, on one line."""
    heard = f"{said}"[:_HEARD_CHARACTERS].lstrip()
    heard = _END_OF_SENTENCE.split(_QUOTATION.split(heard, maxsplit=1)[0], maxsplit=1)[0]
    words = [_ASKED.sub("", word) if _ADDRESS.match(word) else _ENCODED.sub("…", word) for word in heard.split()]
    return " ".join(words)[:_CHARACTERS].rstrip(" :,;")
