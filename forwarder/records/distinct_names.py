"""Gives each of several things the name that rules have for it, and no two of them one name. Pure.

`forwarder migrate` refuses rules by which two columns, or two tables, would get one name; but a column or a table may have come since. Then

1. what is called so in the database keeps the name: a column ``full_name``, beside a column ``name`` that a rule renames to ``full_name``;
2. else the first one has it;
3. the others go by their names of the database, which are free.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

_Name = TypeVar("_Name")


def distinct_names(wanted: Mapping[_Name, _Name]) -> Mapping[_Name, _Name]:
    """From the name in the database to the one in records. ``wanted`` has it by the rules, for the first one first."""
    unrenamed: set[_Name] = set()
    while True:
        names = {own: own if own in unrenamed else name for own, name in wanted.items()}
        holders = {name: own for own, name in reversed(names.items())}
        holders |= {own: own for own, name in names.items() if own == name}
        # One that goes by its own name may take that from another in turn.
        losers = {own for own, name in names.items() if holders[name] != own}
        if not losers:
            return names
        unrenamed |= losers
