"""A load arrives in whatever format a sink writes, and a consumer reads it with the same functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from forwarder.config.formats import FORMATS
from forwarder.consumer import Change, Deduplicator, decode
from tests.capture import capture
from tests.databases import Database
from tests.listening import Operator, command

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ROWS = 30
# So that the records of all formats name the table.
OPTIONS = {"lambda": "&table=true&id=true", "dms": "&MessageFormat=json-unformatted"}


@pytest.mark.parametrize("name", FORMATS)
async def test_each_row_arrives_once_in_the_format_of_the_sink(
    name: str, database: Database, connection: Connection, tmp_path: Path
) -> None:
    await connection.execute(
        "CREATE TABLE public.orders (id bigint PRIMARY KEY, note text); CREATE TABLE public.log (note text);"
        f" INSERT INTO public.orders SELECT n, 'order ' || n FROM generate_series(1, {ROWS}) AS n;"
        f" INSERT INTO public.log SELECT 'entry' FROM generate_series(1, {ROWS})"
    )
    await capture(connection, "public.orders")
    await capture(connection, "public.log")
    out = tmp_path / "records"
    sink = f"file:{out}?format={name}{OPTIONS.get(name, '')}"
    env = {"FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": sink}
    await Operator(env, tmp_path).says("load", "orders", "log", "--detach")
    async with command("listen", "--load-only", env=env, directory=tmp_path / "listener") as listener:
        assert await listener.ends() == 0, listener.stderr
    changes = [change for line in out.read_bytes().splitlines() for change in decode(line, format=name)]  # type: ignore[arg-type]
    assert list(Deduplicator().new(changes)) == changes
    for table, notes in (
        ("orders", {f"order {number}" for number in range(1, ROWS + 1)}),
        ("log", {"entry"}),
    ):
        of_table = [change for change in changes if change.table == table]
        assert_begins_and_ends(name, of_table)
        read = [change for change in of_table if change.op == "read"]
        assert len(read) == ROWS
        assert {change.after["note"] for change in read if change.after} == notes


def assert_begins_and_ends(name: str, changes: list[Change]) -> None:
    """A format that tells of the beginning and the end of a load has them around the rows."""
    if name in ("dms", "dynamodb"):
        assert {change.op for change in changes} == {"read"}
    else:
        states = [change.load["state"] for change in (changes[0], changes[-1]) if change.load]
        assert states == ["began", "finished"]
