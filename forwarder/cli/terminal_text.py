"""Makes text of others safe for a terminal: what would move its cursor, change its colours or turn its lines is written as an escape. Pure.

It may be a value of any row: ``"\\x1b[2J"`` clears the screen, U+202E has what follows run from right to left.
"""

import re

# Control characters, of Latin-1 too; those that set the direction of text; line separators; halves of surrogate pairs, which cannot be written.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def safe(text: str) -> str:
    """The same text with these characters as ``\\u001b``. JSON stays the JSON that it was, if it is on one line."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
