"""The conditions of triggers, in SQL. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from forwarder.database.quoting import identifier

# What has to be stepped over where NEW is sought: constants, quoted names, comments and names of columns; and whole words.
_TOKEN = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*'          # a constant with backslashes
      | '(?:[^']|'')*'                    # a constant
      | "(?:[^"]|"")*"                    # a quoted name
      | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$   # a constant between dollars
      | --[^\n]*                          # a comment
      | /\*(?:/\*.*?\*/|(?!\*/).)*\*/      # a comment, and those that are in it
      | \.\s*[\w$]+                       # a word that names a part of something
      | [\w$]+                            # another word
    """,
    re.VERBOSE | re.DOTALL,
)


def of_old(condition: str) -> str:
    """The same condition on the old row: OLD in the place of NEW, wherever that is a word of its own."""
    return _TOKEN.sub(lambda token: "OLD" if token[0].lower() == "new" else token[0], condition)


def differs(columns: Sequence[str]) -> str:
    """Whether one of these columns differs in any byte between the old row and the new one. Of every type, also of those without an equality.

    As records: of two rows PostgreSQL would compare each column by itself, with an operator that its type does not have.
    """
    old, new = (", ".join(f"{row}.{identifier(name)}" for name in columns) for row in ("OLD", "NEW"))
    return f"ROW({old})::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW({new})::pg_catalog.record"


def all_of(*conditions: str | None) -> str | None:
    """What holds where each of these does; None where there are none."""
    found = [condition for condition in conditions if condition]
    return " AND ".join(map(enclosed, found)) or None


def enclosed(condition: str) -> str:
    """The condition in parentheses. The second one is on a line of its own, since a comment may be the end of the first."""
    return f"({condition}\n)"
