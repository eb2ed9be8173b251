"""Which part of a table is to be loaded. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from forwarder.errors import LoadFailed

_ORDER_BY = re.compile(r'\s*(?P<column>"(?:[^"]|"")+"|[^"\s<>=]+)\s*(?:>=\s*(?P<least>.*\S)\s*)?', re.DOTALL)


class OrderBy(NamedTuple):
    """The column by which rows are read, and the value with which the load begins."""

    column: str
    # As text, which PostgreSQL reads as a value of the column's type. None: from the beginning on.
    least: str | None


class Part(msgspec.Struct, frozen=True):
    """What of a table is to be loaded; by default all of it. It is kept as JSON."""

    # A condition in SQL. Columns are named as they are or, as in the `where` of [[table]], with NEW.
    where: str | None = None
    # The columns that images have. Those of the key are always there. None: all that the rules of the table let through.
    columns: tuple[str, ...] | None = None
    # COLUMN or COLUMN>=VALUE: read by this column, from the value on. Needs an index that begins with it.
    order_by: str | None = None
    # How many rows at most. ChunkReader.read does not count: its caller knows how many there were so far.
    limit: int | None = None

    @property
    def order(self) -> OrderBy | None:
        """``order_by``, taken apart.

        Raises:
            LoadFailed: it is neither a column nor COLUMN>=VALUE.
        """
        if self.order_by is None:
            return None
        found = _ORDER_BY.fullmatch(self.order_by)
        if found is None:
            raise LoadFailed(f"order by {self.order_by!r}: write COLUMN, or COLUMN>=VALUE to begin with a value")
        column = found["column"]
        if column.startswith('"'):
            column = column[1:-1].replace('""', '"')
        least = found["least"]
        if least and len(least) > 1 and least.startswith("'") and least.endswith("'"):
            least = least[1:-1].replace("''", "'")
        return OrderBy(column, least)
