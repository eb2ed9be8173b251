"""What is told where nothing was shown."""

from __future__ import annotations

from typing import Any

from forwarder.cli.tail_seen import Seen
from forwarder.consumer import Change


def hint(*changes: Change, tables: bool = False, keys: bool = False, partition_key: str | None = None) -> str:
    seen = Seen(tables=tables, keys=keys)
    for change in changes:
        seen.add(change, partition_key)
    return seen.hint()


def change(number: int = 1, **members: Any) -> Change:
    return Change(**{"format": "dms", "op": "insert", "schema": "crm", "table": f"t{number}", **members})


def test_tables_are_told_under_the_names_that_records_give_them() -> None:
    assert hint(change(1), change(2), change(1), tables=True) == "tables seen were crm.t1, crm.t2"
    assert hint(change(table=None), tables=True) == "none of them names its table"


def test_keys_are_told_where_a_key_was_asked_for() -> None:
    assert hint(change(), keys=True, partition_key="crm.t1.7") == "keys seen were crm.t1.7"
    assert hint(change(key={"id": 7}), keys=True) == "keys seen were 7"
    assert "add IncludePartitionValue=true" in hint(change(), keys=True)


def test_of_many_names_the_first_are_told() -> None:
    told = hint(*map(change, range(1000)), tables=True)
    assert told.endswith("crm.t9, …")


def test_nothing_is_told_where_nothing_was_asked_for() -> None:
    assert hint(change()) == ""
