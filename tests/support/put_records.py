"""Records for requests of PutRecords."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from forwarder.records.record import Record

# Keys and data.
ROWS = st.lists(st.tuples(st.text(min_size=1, max_size=256), st.binary(max_size=100)), min_size=1, max_size=5)


def records_of(rows: Sequence[tuple[str, bytes]]) -> list[Record]:
    """One record for each key and its data."""
    return [Record(seq, key, data, set()) for seq, (key, data) in enumerate(rows, start=1)]
