"""The table whose rows are compared: its key, and what of its rows the rules of its capture let through as it is. ``sent_columns`` is pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forwarder.capture.catalog import read_registry, read_tables
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.tables import Registered, Table, key_columns, rows_of
from forwarder.config.table_options import OPERATIONS, ColumnRules, TableOptions
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Misconfigured, Refused

_EVERY_ROW = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyColumn:
    """A column of the key. ``type`` is SQL, and ``schema`` has the operators of the type; it is quoted."""

    name: str
    type: str
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A table, and which of its rows and columns are looked at."""

    schema: str
    name: str
    # As SQL has it behind FROM.
    quoted: str
    key: tuple[KeyColumn, ...]
    # Those that are sent, in their order.
    columns: tuple[str, ...]
    # Those of them that are sent in another form than they have in the table.
    treated: frozenset[str] = frozenset()
    # Which rows are sent: a condition on NEW.
    condition: str = _EVERY_ROW
    # Its row of the registry; None: it is not captured.
    registered: Registered | None = None
    # What is not captured of its changes, so that records cannot say what is in the table; empty: nothing.
    left_out: str = ""

    @property
    def qualified_name(self) -> str:
        """``public.orders``; not quoted, so not for SQL."""
        return f"{self.schema}.{self.name}"


async def read_subject(connection: Connection, text: str) -> Subject:
    """The table that is named so.

    Raises:
        Misconfigured: that is no name of one table.
        Refused: there is no such table, it is a partition, or has no key by which its rows could be told apart.
    """
    pattern = Pattern(text)
    if not pattern.is_exact:
        raise Misconfigured(f"{text!r} is a glob; name one table, such as public.orders")
    tables = await read_tables(connection)
    Rule(match=pattern).require_match(tables)
    table = next(table for table in tables if pattern.matches(table))
    if table.ancestors:
        whole = next(other for other in tables if other.relation == table.ancestors[-1])
        raise Refused(f"{table.quoted} is a partition; verify the whole table, {whole.schema}.{whole.name}")
    registry = await read_registry(connection)
    row = rows_of(tables, registry).get(table.relation)
    with database_errors(f"cannot read the columns of {table.quoted}"):
        columns = await connection.fetch(query("verified_columns"), table.relation)
    types = {column["attnum"]: (column["type"], column["schema"]) for column in columns}
    if table.strange_casts or (strange := [column["type"] for column in columns if column["is_strange"]]):
        type = table.strange_casts[0].type if table.strange_casts else strange[0]
        raise Refused(
            f"{table.quoted} has a column of type {type}, for which there is a cast whose function belongs neither to a superuser nor to the table's"
            " owner; it is not run with our rights, so the table cannot be read"
        )
    return _subject(table, row if row and row.active else None, types)


def _subject(table: Table, row: Registered | None, types: Mapping[int, tuple[str, str]]) -> Subject:
    options = TableOptions.model_validate(row.options) if row else TableOptions()
    if options.outbox:
        raise Refused(f"{table.quoted} is an outbox, whose rows are sent as events; there is nothing to compare")
    key = tuple(
        KeyColumn(name=table.columns[column.attnum], type=types[column.attnum][0], schema=types[column.attnum][1])
        for column in key_columns(table, row)
        if column.attnum in table.columns
    )
    if not key:
        raise Refused(
            f"{table.quoted} has no primary key, by which a row and its records could be found; add one, or a unique index on columns that are"
            " NOT NULL as its replica identity, and run `forwarder migrate`"
        )
    names = {column.attnum: column.names for column in row.columns} if row else {}
    columns, treated = sent_columns(table.columns, options.columns, {name.name for name in key}, names)
    return Subject(
        schema=table.schema,
        name=table.name,
        # The rows of tables that inherit from it are captured as theirs.
        quoted=table.quoted if len(table.members) > 1 else f"ONLY {table.quoted}",
        key=key,
        columns=tuple(name for name in columns if name not in table.virtual_columns),
        treated=treated,
        condition=f"({options.where})" if options.where else _EVERY_ROW,
        registered=row,
        left_out=_left_out(options),
    )


def sent_columns(
    columns: Mapping[int, str], rules: ColumnRules, key: set[str], names: Mapping[int, Sequence[str]]
) -> tuple[tuple[str, ...], frozenset[str]]:
    """The columns that are sent, and those of them that are sent in another form.

    Args:
        columns: their names, by their numbers, in order.
        key: the names of those of the key, which are sent in any case.
        names: every name that a column has had: a rule holds for a column that was renamed, too.
    """
    treated = {*rules.mask, *rules.hash, *rules.truncate, *rules.mask_digits, *rules.randomize_digits}
    sent: list[str] = []
    covered: set[str] = set()
    for attnum, name in sorted(columns.items()):
        known = {name, *names.get(attnum, ())}
        is_left_out = not known.isdisjoint(rules.exclude) or (
            rules.include is not None and known.isdisjoint({*rules.include, *treated})
        )
        if is_left_out and name not in key:
            continue
        sent.append(name)
        if not known.isdisjoint(treated):
            covered.add(name)
    return tuple(sent), frozenset(covered)


def _left_out(options: TableOptions) -> str:
    """Which changes are not captured, in words."""
    missing = [operation for operation in OPERATIONS if operation not in options.operations]
    told = [f"operations leave out {', '.join(missing)}"] if missing else []
    if options.only_when:
        told.append(f"only_when leaves out updates that change none of {', '.join(options.only_when)}")
    return "; ".join(told)
