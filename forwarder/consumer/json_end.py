"""Finds the end of a JSON value that cannot be read, so that what stands behind it can. Pure.

::

    {"n":1e99999999999999999999}{"id":2}      the second object begins at character 28

It goes by brackets and strings alone. To go on at the next line break would be wrong: a value of a row may have one, and behind it what looks
like a record.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_BARE = re.compile(r"[^\s\[\]{}\"]*")


def end_of_value(text: str, start: int) -> int:
    """Where the value ends that begins at ``start``; the end of the text if it does not."""
    if text[start] not in '[{"':
        bare = _BARE.match(text, start)
        # At least one character, so that whoever goes on gets on.
        return max(bare.end() if bare else 0, start + 1)
    depth = 0
    for token in _TOKEN.finditer(text, start):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth <= 0:
            return token.end()
    return len(text)
