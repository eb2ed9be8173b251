"""The statement that reads a chunk. Pure.

Every row that it looks at is a row of its result, also one that does not meet the conditions. So it never looks at more rows than it is
asked for, and the last one says where the next chunk begins.

With a key, it walks along an index from the last key on. After (a, b) = (1, 2) come the rows with a = 1 and b > 2, then those with a > 1.
Each of these is a branch of the statement, a walk of its own that begins at the right place whichever columns are descending:

    SELECT … FROM (
        (SELECT … WHERE a = 1 AND b > 2 ORDER BY b LIMIT 1000)
        UNION ALL
        (SELECT … WHERE a > 1 ORDER BY a, b LIMIT 1000)
    ) AS page LIMIT 1000

Without a key, it reads a range of the table's file, in the order in which the rows are there.

PostgreSQL counts the bytes of the images in a setting of the transaction, ``forwarder.load_bytes``. Once a chunk has enough, no more images are made.
So a portion of a thousand rows is no larger than a chunk may be, although nobody knows how large an image is before it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from forwarder.load.images import Needs, careful_image, image, key_image
from forwarder.load.key_column import KeyColumn

# In place of an image that was not made, since the chunk had enough bytes.
NOT_MADE = ""
# Why there is no image of a row: it would be too large.
TOO_LARGE = "54000"
# Images up to this size are not counted: to count one takes a third of the time in which a small image is made.
_UNCOUNTED_BYTES = 512
# Of what stands for an order.
_ORDER_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkQuery:
    """How the rows of one table or partition are read.

    The columns of the result are the image and, if that is too large, the key (empty: there is none). If ``is_careful``, they are the image,
    the fault, further members and the key. Behind them is, as text, the row's value of each column of ``paging``; without a key, its ctid
    and xmin.
    """

    # As SQL writes it, with its schema.
    name: str
    relation: int
    needs: Needs
    key: Sequence[KeyColumn]
    # The columns whose order is that of reading: those of the key, with `order_by` that column before them. Empty: there is no key.
    paging: Sequence[KeyColumn]
    # Whether these are the columns of one index. Else an index begins with the first one, and rows that are equal in it are sorted by the others.
    is_index_order: bool = True
    # All of them have to be met.
    conditions: Sequence[str]
    # The value of the first column of `paging` with which the load begins.
    least: str | None = None
    # Every row is left to forwarder.row_image().
    is_careful: bool

    def by_key(self, after: Sequence[str] | None, *, rows: int, bytes: int) -> str:
        """The statement for the rows that follow a key; None: from the beginning on. Once the images have ``bytes``, no more are made."""
        depths = range(len(self.paging), 0, -1) if after is not None else [0]
        branches = "\nUNION ALL\n".join(f"({self._branch(after or (), depth, rows, bytes)})" for depth in depths)
        places = [column.text(f"page.k{place}") for place, column in self._places]
        return f"{self._selection(places)}\nFROM (\n{branches}\n) AS page\nWHERE {self._count} LIMIT {rows}"

    def by_place(self, after: str, *, end: int, rows: int, bytes: int) -> str:
        """The same for the rows behind a place in the file of the table (a ctid), before block ``end``."""
        values = f"{self._image(bytes)} AS image, NEW.ctid AS place, NEW.xmin AS maker"
        where = f"NEW.ctid > '{after}'::tid AND NEW.ctid < '({end},0)'::tid"
        inner = f"SELECT {values}\nFROM ONLY {self.name} AS new\nWHERE {where} LIMIT {rows}"
        return f"{self._selection(['page.place', 'page.maker'])}\nFROM ({inner}) AS page\nWHERE {self._count}"

    @property
    def order(self) -> str:
        """Stands for the columns of ``paging``, their types and directions: where one of them is another, so is this."""
        meanings = "\n".join(column.meaning for column in self.paging)
        return blake2b(meanings.encode(), digest_size=_ORDER_BYTES).hexdigest()

    @property
    def _places(self) -> Sequence[tuple[int, KeyColumn]]:
        return list(enumerate(self.paging, start=1))

    def _image(self, bytes: int) -> str:
        made = careful_image(self.needs, self.relation, self.key) if self.is_careful else image(self.needs)
        nothing = f"'{{\"{NOT_MADE}\"}}'::text[]" if self.is_careful else f"'{NOT_MADE}'"
        is_full = f"current_setting('forwarder.load_bytes')::bigint >= {bytes}"
        if not self.is_index_order:
            # PostgreSQL evaluates what is volatile behind a sort, when a row is fetched. Else it would make the images of all rows that it sorts.
            is_full = f"random() < 0 OR {is_full}"
        return f"CASE WHEN {is_full} THEN {nothing} WHEN {self._conditions or 'true'} THEN {made} END"

    @property
    def _count(self) -> str:
        """The condition that counts the bytes of an image. All rows meet it."""
        size = "octet_length(page.image)"
        if self.is_careful:
            too_large = f"page.image[2] = '{TOO_LARGE}'"
            size = f"CASE WHEN {too_large} THEN {self.needs.max_bytes} ELSE octet_length(page.image[1]) END"
        total = f"(current_setting('forwarder.load_bytes')::bigint + {size})::text"
        counted = f"set_config('forwarder.load_bytes', {total}, true) IS NOT NULL"
        return f"CASE WHEN {size} > {_UNCOUNTED_BYTES} THEN {counted} ELSE true END"

    @property
    def _conditions(self) -> str:
        # The second parenthesis is on a line of its own, since a comment may be the end of a condition.
        return " AND ".join(f"({condition}\n)" for condition in self.conditions)

    def _selection(self, places: Sequence[str]) -> str:
        if self.is_careful:
            made = [f"page.image[{number}]" for number in (1, 2, 3, 4)]
        else:
            number = {column.name: place for place, column in self._places}
            key = key_image({column.name: f"page.k{number[column.name]}" for column in self.key}, self.needs)
            limit = self.needs.max_bytes
            made = [
                f"CASE WHEN octet_length(page.image) <= {limit} THEN page.image END",
                f"CASE WHEN octet_length(page.image) > {limit} THEN coalesce({key}, '') END",
            ]
        return f"SELECT {', '.join([*made, *places])}"

    def _branch(self, after: Sequence[str], depth: int, rows: int, bytes: int) -> str:
        """The rows that have the first values of a key and come after it by the value of column ``depth``, which is counted from 1."""
        values = ", ".join(
            [f"{self._image(bytes)} AS image", *(f"{column.reference} AS k{place}" for place, column in self._places)]
        )
        conditions = [column.equals(value) for column, value in zip(self.paging[: depth - 1], after, strict=False)]
        if depth:
            conditions.append(self.paging[depth - 1].follows(after[depth - 1]))
        if self.least is not None:
            conditions.append(self.paging[0].is_at_least(self.least))
        order = ", ".join(column.order for column in self.paging[max(depth - 1, 0) :])
        source = f"ONLY {self.name}"
        if depth > 1 and not self.is_index_order:
            # By the index of the first column. The one of the key has the right order, too, but in it these rows may be few among millions.
            source = f"(SELECT * FROM {source} AS new WHERE {conditions.pop(0)} OFFSET 0)"  # noqa: S608
        where = f"WHERE {' AND '.join(conditions)}\n" if conditions else ""
        return f"SELECT {values}\nFROM {source} AS new\n{where}ORDER BY {order}\nLIMIT {rows}"
