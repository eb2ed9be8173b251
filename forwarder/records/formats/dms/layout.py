"""The layout of ``MessageFormat=json``: a member a line, indented by tabs, with a tab after each colon. Pure."""

from __future__ import annotations

import re

# A string, an empty object, an array of strings, or a sign. All else are numbers and words, which stay.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|\[[^\]]*\]|\{\}|[{},:]')


def indented(line: str) -> str:
    """The same record, from one in one line without blanks between its tokens."""
    level = 0
    parts: list[str] = []
    end = 0
    for token in _TOKEN.finditer(line):
        text = token.group()
        parts.append(line[end : token.start()])
        end = token.end()
        if text == "{":
            level += 1
            parts.append("{\n" + "\t" * level)
        elif text == "}":
            level -= 1
            parts.append("\n" + "\t" * level + "}")
        elif text == ",":
            parts.append(",\n" + "\t" * level)
        elif text == ":":
            parts.append(":\t")
        elif text == "{}":
            parts.append("{\n" + "\t" * level + "}")
        elif text[0] == "[":
            parts.append(text.replace('","', '", "'))
        else:
            parts.append(text)
    return "".join(parts) + line[end:]
