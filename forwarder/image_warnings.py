"""What is to be known of the images of captured tables: what a row has and its image has not. Pure."""

from collections.abc import Iterable, Sequence

from forwarder.tables import Table
from forwarder.texts import listed


def image_warnings(tables: Iterable[Table]) -> Sequence[str]:
    """One line for all tables with columns that are computed when they are read, which PostgreSQL does not do for a trigger."""
    virtual = [f"{table.quoted} ({', '.join(table.virtual_columns)})" for table in tables if table.virtual_columns]
    if not virtual:
        return ()
    return (
        f"virtual generated columns are null in every record of {listed(virtual)}: declare them STORED, or compute them where they are read",
    )
