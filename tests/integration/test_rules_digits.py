"""``mask_digits`` and ``randomize_digits`` of [[table]]: the digits of a text never reach the outbox, and all else of it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from forwarder.errors import Misconfigured
from tests.databases import Database
from tests.ruled import assert_hidden, changes, create

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

CARD = "CREATE TABLE public.card (id integer PRIMARY KEY, number text, amount integer)"
NUMBER = "4929-0007 ٣é x"
COVERS = {"mask": {"mask_digits": {"number": "#"}}, "randomize": {"randomize_digits": ["number"]}}


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


async def numbers(owner: Connection) -> list[str | None]:
    return [change.after["number"] for change in await changes(owner) if change.after]


async def test_each_digit_becomes_the_character(owner: Connection) -> None:
    """Digits of other scripts are no digits to DMS either. Null stays null."""
    await create(owner, CARD, columns={"mask_digits": {"number": "\\"}})
    await owner.execute("INSERT INTO public.card VALUES (1, $1), (2, ''), (3, NULL)", NUMBER)
    assert await numbers(owner) == ["\\\\\\\\-\\\\\\\\ ٣é x", "", None]


async def test_each_digit_becomes_another_and_the_same_for_the_same_value(owner: Connection) -> None:
    await create(owner, CARD, columns=COVERS["randomize"])
    values = [NUMBER, NUMBER, "1" * 200, "", None]
    await owner.executemany("INSERT INTO public.card VALUES ($1, $2)", list(enumerate(values)))
    first, second, long, empty, null = await numbers(owner)
    assert first is not None
    assert long is not None
    assert first == second != NUMBER
    assert "".join("9" if letter in "0123456789" else letter for letter in first) == "9999-9999 ٣é x"
    assert long.isdecimal()
    assert len(set(long)) == 10
    assert (empty, null) == ("", None)


async def test_after_another_salt_the_digits_are_others(owner: Connection) -> None:
    await create(owner, CARD, columns=COVERS["randomize"])
    await owner.execute("INSERT INTO public.card VALUES (1, $1)", "1" * 30)
    await owner.execute("SELECT forwarder.rotate_salt()")
    await owner.execute("INSERT INTO public.card VALUES (2, $1)", "1" * 30)
    one, other = await numbers(owner)
    assert one != other


@pytest.mark.parametrize("columns", COVERS.values(), ids=COVERS)
async def test_the_digits_are_nowhere(database: Database, owner: Connection, columns: dict[str, object]) -> None:
    await create(owner, CARD, columns=columns)
    await owner.execute("INSERT INTO public.card VALUES (1, '4929000712349876')")
    await owner.execute("UPDATE public.card SET amount = 2")
    await assert_hidden(database, "4929000712349876")


@pytest.mark.parametrize("columns", COVERS.values(), ids=COVERS)
async def test_a_column_that_is_no_text_has_no_digits_to_cover(owner: Connection, columns: dict[str, object]) -> None:
    with pytest.raises(Misconfigured, match=r"column number is no text.*mask or hash it"):
        await create(owner, "CREATE TABLE public.card (id integer PRIMARY KEY, number bigint)", columns=columns)


@pytest.mark.parametrize("columns", COVERS.values(), ids=COVERS)
async def test_the_digits_of_a_key_cannot_be_covered(owner: Connection, columns: dict[str, object]) -> None:
    with pytest.raises(Misconfigured, match=r"column number is part of the key.*hash it"):
        await create(owner, "CREATE TABLE public.card (number text PRIMARY KEY)", columns=columns)
