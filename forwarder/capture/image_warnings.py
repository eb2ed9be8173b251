"""Warns of columns of captured tables that the images of rows will lack. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter

from forwarder.capture.tables import StrangeCast, Table
from forwarder.capture.texts import listed


def image_warnings(tables: Iterable[Table]) -> Sequence[str]:
    """At most one line for each kind of trouble or type, with the tables and the remedy."""
    tables = list(tables)
    return (*_virtual_columns(tables), *_strange_casts(tables))


def _virtual_columns(tables: Sequence[Table]) -> Sequence[str]:
    """Warns of virtual generated columns: they are computed when they are read, and for a trigger PostgreSQL does not compute them."""
    virtual = [f"{table.quoted} ({', '.join(table.virtual_columns)})" for table in tables if table.virtual_columns]
    if not virtual:
        return ()
    return (
        f"virtual generated columns are null in every record of {listed(virtual)}: declare them STORED, or compute them where they are read",
    )


def _strange_casts(tables: Sequence[Table]) -> Sequence[str]:
    """Warns of casts to json that the trigger does not run, since that would run the code of somebody whom writers need not trust."""
    names: defaultdict[StrangeCast, list[str]] = defaultdict(list)
    for table in tables:
        for cast in table.strange_casts:
            names[cast].append(table.quoted)
    return [
        f"rows of {listed(names[cast])} with a {cast.type} have no images, but fault 42501: its cast to json runs {cast.function}, whose owner"
        f" {cast.owner} is neither a superuser nor the table's owner; ALTER FUNCTION {cast.function} OWNER TO one of them, or"
        f" DROP CAST ({cast.type} AS json)"
        for cast in sorted(names, key=attrgetter("type"))
    ]
