"""Tables with a column of every type, and what sessions write to them that are set up as oddly as sessions can be. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.support.every_type import PLAIN, Loss, Type

# How sessions are set up. The first one is odd in everything; each of the others in what nothing else in it makes up for.
SESSIONS = (
    """
    SET datestyle = 'German'; SET intervalstyle = 'sql_standard'; SET extra_float_digits = -5; SET bytea_output = 'escape';
    SET timezone = 'Asia/Kathmandu'; SET quote_all_identifiers = on; SET xmlbinary = 'hex'; SET search_path = ''
    """,
    "SET datestyle = 'SQL, MDY'; SET timezone = '<+0345>-03:45'; SET extra_float_digits = 3; SET search_path = public, pg_catalog",
    "SET extra_float_digits = -5",
    "SET bytea_output = 'escape'",
    "SET intervalstyle = 'iso_8601'",
    "SET quote_all_identifiers = on",
)

_KEYED_TABLES = 8
_LONGEST_KEY = 1000

# By the type of a column, which is its name too, values in SQL.
_Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeTable:
    """How a table is created, what the first session writes to it, and what is done to that then, by the session of that number."""

    create: str
    first: Sequence[str]
    second: Sequence[tuple[int, str]] = ()


def type_tables(types: Sequence[Type], losses: Sequence[Loss]) -> Sequence[TypeTable]:
    """``careful`` has columns of all types, ``plain`` of plain ones; keys of ``keyed_N`` are of types with an order; ``loss_N`` loses."""
    columns = {name: values for type in types for name, values in type.columns.items()}
    keys = [type for type in types if type.has_order]
    return [
        _wide("public.plain", {name: values for name, values in columns.items() if name in PLAIN}),
        _wide("public.careful", columns),
        *(_keyed(f"public.keyed_{number}", keys[number::_KEYED_TABLES]) for number in range(_KEYED_TABLES)),
        *(_lossy(f"public.loss_{number}", loss) for number, loss in enumerate(losses)),
    ]


def _wide(table: str, columns: _Columns) -> TypeTable:
    names, rows = _names(columns), _rows(columns)
    next_row = f"SELECT {names} FROM {table} AS next WHERE id = (item.id + 1) % {len(rows)}"
    return TypeTable(
        create=f"CREATE TABLE {table} (id integer PRIMARY KEY, {_definitions(columns)})",
        first=[
            *(f"INSERT INTO {table} VALUES ({number}, {row})" for number, row in enumerate(rows)),
            f"INSERT INTO {table} (id) VALUES ({len(rows)})",
        ],
        second=[
            *(
                (session, f"INSERT INTO {table} SELECT id + {session * 100}, {names} FROM {table} WHERE id < 100")
                for session in range(1, len(SESSIONS))
            ),
            (1, f"UPDATE {table} AS item SET ({names}) = ({next_row}) WHERE id < 100"),
            (2, f"UPDATE {table} SET id = id + 1000 WHERE id < 5"),
            (3, f"DELETE FROM {table} WHERE id % 10 = 8"),
        ],
    )


def _keyed(table: str, types: Sequence[Type]) -> TypeTable:
    columns = {type.name: [value for value in type.values if len(value) < _LONGEST_KEY] for type in types}
    names, keys = _names(columns), _rows(columns)
    return TypeTable(
        create=f"CREATE TABLE {table} (note text, {_definitions(columns)}, PRIMARY KEY ({names}))",
        # Some values are equal to each other: 0 and -0.
        first=[f"INSERT INTO {table} VALUES ('a note', {key}) ON CONFLICT DO NOTHING" for key in keys],
        second=[
            (1, f"UPDATE {table} SET note = 'another'"),
            (2, f"DELETE FROM {table} WHERE ({names}) = ({keys[0]})"),
            (3, f"UPDATE {table} SET ({names}) = ({keys[0]}) WHERE ({names}) = ({keys[-1]})"),
        ],
    )


def _lossy(table: str, loss: Loss) -> TypeTable:
    return TypeTable(
        create=f"CREATE TABLE {table} (id integer PRIMARY KEY, value {loss.type})",
        first=[f"SET search_path = public; INSERT INTO {table} VALUES (1, {loss.value}); SET search_path = ''"],
    )


def _rows(columns: _Columns) -> Sequence[str]:
    """As many as it takes for each value to be in one of them."""
    count = max(map(len, columns.values()))
    return [", ".join(values[number % len(values)] for values in columns.values()) for number in range(count)]


def _definitions(columns: _Columns) -> str:
    return ", ".join(f"{_quoted(name)} {name}" for name in columns)


def _names(columns: _Columns) -> str:
    return ", ".join(map(_quoted, columns))


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
