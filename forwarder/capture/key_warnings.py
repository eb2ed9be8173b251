"""Warns of keys of captured tables by which consumers cannot tell rows apart, or keep their changes in order. Pure."""

from collections.abc import Iterable

from forwarder.capture.tables import AmbiguousColumn, Table
from forwarder.capture.texts import listed


def key_warnings(tables: Iterable[Table]) -> tuple[str, ...]:
    """At most one line for each kind of trouble, with the tables, what it means for a consumer, and the remedy."""
    tables = list(tables)
    ambiguous = [_described(table, column) for table in tables for column in table.ambiguous_key_columns]
    deferrable = [table.quoted for table in tables if table.key_is_deferrable]
    lines = []
    if ambiguous:
        lines.append(
            f"equal keys can be written in several ways in {listed(ambiguous)}: only changes of a row under a key written in one way come"
            " in order, and a consumer sees several keys; let a CHECK constraint admit one way, or use partition_key=table"
        )
    if deferrable:
        lines.append(
            f"the primary key is DEFERRABLE in {listed(deferrable)}: a row can be inserted before the one that has its key is deleted, so"
            " a consumer that goes by keys may end without it; make the key NOT DEFERRABLE, or never exchange rows under a key"
        )
    return tuple(lines)


def _described(table: Table, column: AmbiguousColumn) -> str:
    collation = f" with collation {column.collation}" if column.collation else ""
    return f"{table.quoted} ({column.name} {column.type}{collation})"
