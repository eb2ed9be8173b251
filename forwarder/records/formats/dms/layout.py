"""The layout of ``MessageFormat=json``: a member a line, indented by tabs, with a tab after each colon. Pure."""

from __future__ import annotations

import re

# A string, or a sign. All else are numbers and words, which stay.
_TOKEN = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:])')


def indented(line: str) -> str:
    """The same record, from one in one line without blanks between its tokens. Its lists are of strings, and stay on one line."""
    indent = "\n"
    is_list = False
    parts: list[str] = []
    for token in _TOKEN.split(line):
        if token == "{":
            indent += "\t"
            parts.append("{" + indent)
        elif token == "}":
            indent = indent[:-1]
            # Nothing stands between the braces of an empty object.
            empty = parts[-2:] == ["{" + indent + "\t", ""]
            parts[-2:] = ["{" + indent + "}"] if empty else [*parts[-2:], indent + "}"]
        elif token == ",":
            parts.append(", " if is_list else "," + indent)
        elif token == ":":
            parts.append(":\t")
        else:
            is_list = token == "[" or (is_list and token != "]")
            parts.append(token)
    return "".join(parts)
