"""Records for requests of PutRecords."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from forwarder.records.record import Record

# Keys and data.
ROWS = st.lists(st.tuples(st.text(min_size=1, max_size=256), st.binary(max_size=100)), min_size=1, max_size=5)


# As many as rows at most; None: that record has none.
HASH_KEYS = st.lists(st.none() | st.integers(0, (1 << 128) - 1), min_size=30, max_size=30)


def records_of(rows: Sequence[tuple[str, bytes]], hash_keys: Sequence[int | None] = ()) -> list[Record]:
    """One record for each key and its data, and the explicit hash key at the same place."""
    records = [Record(seq, key, data, set()) for seq, (key, data) in enumerate(rows, start=1)]
    for record, hash_key in zip(records, hash_keys, strict=False):
        record.hash_key = hash_key
    return records
