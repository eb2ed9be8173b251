"""What is captured: a table, and one change of it."""

from __future__ import annotations

from functools import cached_property

import msgspec

# The fault of a change whose images somebody has taken out of the outbox before they were read: the SQLSTATE no_data.
NO_DATA = "02000"


class CapturedTable(msgspec.Struct, frozen=True, eq=False, kw_only=True, dict=True):
    """A captured table, as the registry knows it. Compared and hashed by identity, so that what follows from it can be cached."""

    id: int
    relation: int
    schema: str
    name: str
    # For each key column, in key order, every name it was seen under, newest first. Empty: the table has no key.
    key_columns: tuple[tuple[str, ...], ...]
    before_image: str

    @cached_property
    def qualified_name(self) -> str:
        """``public.orders``; not quoted, so not for SQL."""
        return f"{self.schema}.{self.name}"


class Stored(msgspec.Struct, frozen=True, gc=False):
    """The images of a large change, which were left in the database: their bytes in UTF-8, None for one that there is not."""

    before_bytes: int | None
    after_bytes: int | None
    # The sink whose dead letter the change is; None: it is in the outbox.
    letter_of: str | None = None


class Event(msgspec.Struct, gc=False):
    """One change of one row (or a TRUNCATE), as the trigger captured it.

    ``before`` and ``after`` are JSON texts written by the server; nothing parses and re-encodes them. Those of a large change are null
    here, and ``stored``.
    """

    seq: int
    txid: int
    # Microseconds since 2000-01-01 UTC.
    at: int
    table: CapturedTable
    # Name of the partition that was written, where the captured table is partitioned.
    partition: str | None
    # I(nsert), U(pdate), D(elete), T(runcate), or G(ap): from here on, or up to here, changes of the table were not captured.
    op: bytes
    before: str | None
    after: str | None
    # SQLSTATE of the error that kept the row from becoming JSON, or what a gap is about, or ``NO_DATA``; both images are null then. Or of
    # the one that kept an image from becoming UTF-8; that one is null then.
    fault: str | None
    # This is change `index` of the `count` that its transaction made, counted from 1 in order of seq. Of a very large transaction only
    # the last change says how many there are. 0 and None: nobody knows, since the outbox may hold no more than a part of the transaction.
    index: int
    count: int | None
    # The primary key as a JSON object text, and its bare values; null for a table without one.
    key: str | None
    key_values: str | None
    # The other key, as a JSON object text, of a delete and an insert that were one update of the key: of a delete, the key that the row has
    # after it; of an insert, the one that it had before.
    moved: str | None = None
    # Images left out of the record because it would be too large, and where the whole record is then, if anywhere.
    omitted: tuple[str, ...] = ()
    stored_at: str | None = None
    stored: Stored | None = None
