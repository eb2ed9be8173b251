"""What is captured: a table with its columns, and one change of it."""

from __future__ import annotations

from functools import cached_property

import msgspec

# The ``fault`` of a change whose images were taken out of the outbox before they were read. It is the SQLSTATE no_data.
NO_DATA = "02000"


class ColumnType(msgspec.Struct, frozen=True):
    """The type of a column. For a domain: the type that it is made of. For an array: the type of its elements."""

    # Names of the catalog: pg_catalog and int4, not integer.
    schema: str
    name: str
    # As pg_type.typtype: b(ase), c(omposite), e(num), r(ange) or m(ultirange).
    kind: str
    # As pg_attribute.atttypmod: what stands in brackets, such as precision and scale of a numeric; -1: nothing does.
    modifier: int
    is_array: bool


class Column(msgspec.Struct, frozen=True):
    """A column of a captured table."""

    name: str
    # None: nothing is known but the name, which the column had before.
    type: ColumnType | None = None
    # Whether the table has no column of this name any more: it was renamed, or dropped.
    is_gone: bool = False
    # Other names that this column is known to have had. Another column may have one of them now.
    former: tuple[str, ...] = ()


class CapturedTable(msgspec.Struct, frozen=True, eq=False, kw_only=True, dict=True):
    """A captured table. Compared and hashed by identity, so that what is derived from one can be cached by it."""

    id: int
    relation: int
    schema: str
    name: str
    # For each column of the primary key, in its order, every name that the column has had, the newest first. Empty: there is no key.
    key_columns: tuple[tuple[str, ...], ...]
    before_image: str
    # The columns in their order, and behind them names of before. Empty, unless a sink's format asks for types.
    columns: tuple[Column, ...] = ()
    # Schema and name when `forwarder migrate` saw the table last; None: as now.
    migrated_as: tuple[str, str] | None = None
    # Whether it is there and has our trigger. The outbox may hold changes of one that is not.
    is_live: bool = True
    # Whether the new row of an update has old values beside its own, by a mapping of DMS.
    has_old_values: bool = False

    @cached_property
    def qualified_name(self) -> str:
        """``public.orders``; not quoted, so not for SQL."""
        return f"{self.schema}.{self.name}"

    @property
    def is_of_events(self) -> bool:
        """Whether it is forwarder.event, of the application's own events: it does not exist, and most databases have no change of it."""
        return self.id == 0


class Sizes(msgspec.Struct, frozen=True, gc=False):
    """How many bytes the data of a record will have. None: it is too large to be made."""

    whole: int | None
    without_before: int | None


class Stored(msgspec.Struct, frozen=True, gc=False):
    """How large the images of a change are that were left in the database, in bytes of UTF-8. None: there is no such image."""

    before_bytes: int | None
    after_bytes: int | None
    # Where they are: None in the outbox, else in the dead letter of the sink with this name.
    letter_of: str | None = None
    # Of its record, in a format that needs the images whole.
    sizes: Sizes | None = None
    # Of each image the columns that make the partition key, as the text of a JSON object; None: they were not asked for, or there is no such image.
    before_columns: str | None = None
    after_columns: str | None = None


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What identifies a row that was read by a load, or the beginning or end of a load."""

    # forwarder.load.number.
    load: int
    # The same whenever the load reads this row again, after a crash say, and that of no other row: hexadecimal digits. Of the beginning `began-`
    # and such digits, which are others if it begins again; of the end `finished`.
    name: str


class Event(msgspec.Struct, gc=False):
    """One change of one row (or a TRUNCATE, a gap, or a change of the table itself), as the trigger captured it; or a row that was read.

    ``before`` and ``after`` are JSON texts that PostgreSQL wrote. They are never parsed and written again. Those of a large change are
    None, and ``stored`` says how large they are.
    """

    seq: int
    txid: int
    # Microseconds since 2000-01-01 UTC.
    at: int
    table: CapturedTable
    # Name of the partition that was written, if the table is partitioned.
    partition: str | None
    # b"I"nsert, b"U"pdate, b"D"elete, b"T"runcate; b"G"ap: from here on, or up to here, changes of the table may not be captured; b"S"chema: the
    # table itself has changed, and ``before`` and ``after`` are descriptions of it; or b"E"vent of the application's own (forwarder.emit): `table` is
    # forwarder.event, and `after` is the event. Not captured, but made by a load: b"R"ead, a row as it was, in `after`; and b"L"oad, its beginning or
    # end, of which `extra` tells. Of both `seq` is one that all changes of the row exceed which come after it, and many have the same.
    op: bytes
    before: str | None
    after: str | None
    # Why images are missing:
    # 1. the SQLSTATE of the error that kept the row from becoming JSON, or ``NO_DATA``: both are None;
    # 2. the SQLSTATE of the error that kept an image from becoming UTF-8: that image is None;
    # 3. of a gap, what it is about: "capture paused".
    fault: str | None
    # This is change `index` of the `count` changes of its transaction; index is from 1, in order of seq. Of a very large transaction the
    # last change alone has the count. 0 and None: not known, since the outbox may have only a part of the transaction.
    index: int
    count: int | None
    # The primary key as the text of a JSON object, {"id":42}, and its values alone, joined by commas: 42. None if there
    # is no key.
    key: str | None
    key_values: str | None
    # An update of the key is captured as a delete and an insert. Then this is the key in the other one, as the text of a JSON object: in
    # the delete the new key, in the insert the old one.
    moved: str | None = None
    # Bytes of the images, as the outbox has them.
    image_bytes: int = 0
    # What was left out of the record: images, since it would be too large; the context or `extra`, since it is too large or cannot become UTF-8.
    omitted: tuple[str, ...] = ()
    # Where the whole record is stored, if images were left out and it is stored anywhere.
    stored_at: str | None = None
    stored: Stored | None = None
    # What the application has said of its transaction (the setting forwarder.context), as a JSON text.
    context: str | None = None
    # Further members of the record, which a trigger function wrote: "changed":["status"],"audit":{"user":"ada"}
    extra: str | None = None
    # When the transaction was committed, as `at`. None: nobody knows.
    committed_at: int | None = None
    # This is change `table_index` of its table, or partition, in its transaction, from 1. None: not known, or no record is to tell it.
    table_index: int | None = None
    # Of a row that was read, and of the beginning and end of a load. None where such a one was set aside, and is sent again as a dead letter.
    reading: Reading | None = None

    @property
    def told_seq(self) -> int:
        """``seq`` in the record: 0 of a row that was read and set aside. It has a seq of its own by now, which newer changes need not exceed."""
        return 0 if self.op == b"R" and not self.reading else self.seq
