"""What becomes of each column of a table on its way to the outbox: sent, left out, masked, hashed or cut short. Pure.

A column is known by its number, which it keeps whatever it is called, and by its names. So a rule holds on for a column that was renamed. What
``forwarder migrate`` knows goes to the trigger, which treats a row by it (``forwarder.treatments()`` in 0031_rules.sql): what a rule says
of the number or of the name, whichever is the stricter; and what it has never heard of as the rules say of new columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from forwarder.capture.tables import KeyColumn, Registered, Table
from forwarder.config.suggestions import nearest
from forwarder.config.table_options import ColumnRules, TableOptions
from forwarder.errors import Misconfigured

# How a column is treated, as the trigger reads it: {} is sent as it is; {"drop": true}, {"mask": "***"}, {"hash": true}, {"truncate": 100},
# {"digits": "#"}, {"randomize": true}. {"key": 1} is the first column of the key.
Treatment = dict[str, Any]
_DROPPED: Treatment = {"drop": True}
# Of these treatments, which are for text alone, what they cannot do to another value.
_OF_TEXT = {"truncate": "be cut short", "digits": "have its digits covered", "randomize": "have its digits exchanged"}


def known_columns(table: Table, row: Registered | None) -> tuple[KeyColumn, ...]:
    """The table's columns with all names that they are known to have had, the newest first.

    A table that came with a dump numbers its columns anew. There they are known by the names that they had last.
    """
    columns = row.columns if row else ()
    is_same = row is not None and row.relation == table.relation
    earlier = {column.attnum if is_same else column.names[0]: column.names for column in columns}
    return tuple(
        KeyColumn(attnum=attnum, names=tuple(dict.fromkeys((name, *earlier.get(attnum if is_same else name, ())))))
        for attnum, name in sorted(table.columns.items())
    )


def treatments(
    table: Table, known: Sequence[KeyColumn], key: Sequence[KeyColumn], options: TableOptions
) -> dict[str, Any]:
    """What the trigger has to know of the columns: ``names`` and ``numbers``, each to a treatment, and ``others``, that of a new column.

    The numbers are those of table ``relation``.

    Left out are names that are treated as ``others`` are, and numbers that are sent as they are, where others are too. Where others are not sent,
    a number says so: its column may be given a name that is. So does a name that is excluded: a column that is sent may be given it.

    Raises:
        Misconfigured: the key could not be told any more, or a column that is cut short is no text.
    """
    rules = options.columns
    others = _DROPPED if rules.include is not None else {}
    place = {column.attnum: number for number, column in enumerate(key, start=1)}
    names: dict[str, Treatment] = {}
    numbers: dict[str, Treatment] = {}
    for column in known:
        treatment = _treatment(column.names, rules)
        if column.attnum in place:
            treatment = _of_key(table, column.names[0], treatment, rules, place=place[column.attnum])
        elif (kind := next(iter(_OF_TEXT.keys() & treatment), None)) and column.attnum not in table.texts:
            raise Misconfigured(
                f"{table.quoted}: column {column.names[0]} is no text, and cannot {_OF_TEXT[kind]}; mask or hash it"
            )
        names[column.names[0]] = numbers[str(column.attnum)] = treatment
    # Also those that a table has lost: it may get a new column of that name.
    names = {name: _treatment((name,), rules) for name in rules.named} | names
    return {
        "relation": table.relation,
        "names": {name: treatment for name, treatment in names.items() if treatment != others or name in rules.exclude},
        "numbers": {number: treatment for number, treatment in numbers.items() if treatment or others},
        "others": others,
    }


def _treatment(names: Iterable[str], rules: ColumnRules) -> Treatment:
    """What the rules say of a column that has had these names: of the newest one that they say anything of."""
    for name in names:
        if name in rules.mask:
            return {"mask": rules.mask[name]}
        if name in rules.hash:
            return {"hash": True}
        if name in rules.truncate:
            return {"truncate": rules.truncate[name]}
        if name in rules.mask_digits:
            return {"digits": rules.mask_digits[name]}
        if name in rules.randomize_digits:
            return {"randomize": True}
        if name in rules.exclude:
            return _DROPPED
        if rules.include is not None and name in rules.include:
            return {}
    return {} if rules.include is None else _DROPPED


def is_sent_as_it_is(table: Table, attnum: int, rules: ColumnRules) -> bool:
    """Whether a column comes to the outbox with its value, neither left out nor covered."""
    treatment = _treatment((table.columns[attnum],), rules)
    return not treatment or (treatment == _DROPPED and attnum in table.key)


def _of_key(table: Table, name: str, treatment: Treatment, rules: ColumnRules, *, place: int) -> Treatment:
    if treatment == _DROPPED and name not in rules.exclude:
        # Not among those that are included: the key always is.
        treatment = {}
    if treatment and "hash" not in treatment:
        raise Misconfigured(
            f"{table.quoted}: column {name} is part of the key, without which nobody can tell which row has changed; hash it instead"
        )
    return {**treatment, "key": place}


def require_columns(
    tables: Sequence[Table], rules: Mapping[str, Sequence[str]], *, is_exact: bool, pattern: str
) -> None:
    """See that columns which a rule names are there: in each of its tables, or in one of them at least if it is a glob.

    Args:
        rules: by option, such as ``columns.hash``, the names.

    Raises:
        Misconfigured: a column is not.
    """
    for option, names in rules.items():
        for name in names:
            having = [table for table in tables if name in table.columns.values()]
            if tables and (len(having) < len(tables) if is_exact else not having):
                lacking = next(table for table in tables if name not in table.columns.values())
                raise Misconfigured(
                    f"{option} of [[table]] {pattern!r} names column {name!r}, which {lacking.quoted} does not have;"
                    f" {nearest(name, tuple(lacking.columns.values()))}"
                )
