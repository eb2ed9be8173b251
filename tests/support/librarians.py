"""What an application does to the library, in every way in which SQLAlchemy makes transactions, and several do at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from random import Random
from typing import Literal, get_args

import anyio
from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import selectinload
from sqlalchemy.orm.exc import StaleDataError

from tests.support.library import Author, Book, Novel, Shelf, Tag

Work = Callable[[AsyncSession, Random], Awaitable[None]]
Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]

TAGS = 6
AUTHORS = 5
SHELVES = 4

# Somebody else was faster: a serialization failure, a deadlock, a tag that has another name by now.
_TRY_AGAIN = {"40001", "40P01", "23503"}


async def publish(session: AsyncSession, choice: Random) -> None:
    """A graph of new objects, in one flush."""
    tags = (await session.scalars(select(Tag).order_by(Tag.name).limit(3))).all()
    author = Author(number=choice.randrange(AUTHORS), name='Änne "x" 😀', born=date(1944, 3, 15))
    author.books = [
        Book(title="first", price=Decimal("1.00"), about={"a": None}, tags=list(tags)),
        Novel(
            title="second",
            price=Decimal("10.50"),
            pages=choice.randrange(1000),
            words=["a", "NULL", ""],
            tags=list(tags[:1]),
        ),
    ]
    session.add(author)


async def revise(session: AsyncSession, choice: Random) -> None:
    """An orphan is deleted, another object changed, a third one added."""
    statement = (
        select(Author)
        .where(Author.number == choice.randrange(AUTHORS))
        .options(selectinload(Author.books).selectinload(Book.tags))
    )
    for author in (await session.scalars(statement.limit(2))).all():
        author.name += "."
        if len(author.books) > 3:
            author.books.pop(0)
        for book in author.books:
            book.price += 1
            book.about = {**book.about, "n": choice.random()}
            book.tags = book.tags[1:]
        author.books.append(Book(title=f"book {choice.random()}", price=Decimal("5.25")))


async def save_points(session: AsyncSession, choice: Random) -> None:
    """One is released, one is rolled back, and one is rolled back with one within that was released."""
    number = 100 + choice.randrange(10**6)
    async with session.begin_nested():
        session.add(Author(number=number, name="released"))
    rolled_back = await session.begin_nested()
    session.add(Author(number=number, name="rolled back"))
    await session.execute(update(Author).where(Author.number == number).values(name="rolled back as well"))
    await rolled_back.rollback()
    outer = await session.begin_nested()
    async with session.begin_nested():
        await session.execute(delete(Author).where(Author.number == number))
    await outer.rollback()
    await session.execute(update(Author).where(Author.number == number).values(born=date(2000, 1, 1)))


async def in_bulk(session: AsyncSession, choice: Random) -> None:
    """Statements that go past the objects."""
    number = 100 + choice.randrange(10**6)
    await session.execute(insert(Author), [{"number": number, "name": f"bulk {i}"} for i in range(5)])
    authors = (await session.execute(select(Author.id, Author.name).where(Author.number == number))).all()
    await session.execute(update(Author), [{"id": id, "name": name.upper()} for id, name in authors])
    await session.execute(
        update(Book).where(Book.id % 5 == choice.randrange(5)).values(price=Book.price * Decimal("1.01"))
    )
    await session.execute(delete(Author).where(Author.number == number, Author.name.endswith("4")))
    tags = upsert(Tag).values([{"name": f"tag {i}"} for i in range(TAGS)])
    await session.execute(tags.on_conflict_do_update(index_elements=[Tag.name], set_={"uses": Tag.uses + 1}))


async def rename_a_tag(session: AsyncSession, choice: Random) -> None:
    """Its key, and those of the rows that refer to it."""
    tags = (await session.scalars(select(Tag).order_by(Tag.name))).all()
    choice.choice(tags).name = f"tag {choice.randrange(10**9)}"


async def move_books(session: AsyncSession, choice: Random) -> None:
    """By what was read: lost, if it were not for the isolation, or the lock."""
    source, target = choice.sample(range(SHELVES), 2)
    shelves = {shelf.number: shelf for shelf in (await session.scalars(select(Shelf).order_by(Shelf.number))).all()}
    shelves[source].books -= 1
    shelves[target].books += 1


_WORK: Sequence[Work] = (publish, revise, save_points, in_bulk, rename_a_tag, move_books, move_books)


class Librarians:
    """They do a unit of work again if it was refused since somebody else was faster."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.retries = 0
        self.prepared = 0
        self._engine = engine

    async def open(self) -> None:
        """The first rows."""
        async with AsyncSession(self._engine) as session, session.begin():
            session.add(Shelf(number=0, books=100, parent=None))
            session.add_all(Shelf(number=number, books=100, parent=0) for number in range(1, SHELVES))
            session.add_all(Tag(name=f"tag {number}") for number in range(TAGS))
            session.add_all(Author(number=number, name=f"Author {number}") for number in range(AUTHORS))

    async def work(self, *, workers: int, units: int, seed: int) -> None:
        """So many units of work of each of them, all at once."""
        async with anyio.create_task_group() as tasks:
            for worker in range(workers):
                tasks.start_soon(self._work, units, Random(f"{seed} {worker}"))

    async def compete(self) -> None:
        """Two change the same by what both have read; the second one is refused, and does it again."""
        async with self._session("SERIALIZABLE") as first, self._session("SERIALIZABLE") as second:
            for session in (first, second):
                await move_books(session, Random(1))
            await first.commit()
            await self._attempt(second.commit)
        await self._do(move_books, Random(1), isolation="SERIALIZABLE", in_two_phases=False)

    async def _work(self, units: int, choice: Random) -> None:
        for _ in range(units):
            work, isolation = choice.choice(_WORK), choice.choice(get_args(Isolation))
            await self._do(work, choice, isolation=isolation, in_two_phases=choice.random() < 0.3)

    async def _do(self, work: Work, choice: Random, *, isolation: Isolation, in_two_phases: bool) -> None:
        async def attempt() -> None:
            async with self._session(isolation, in_two_phases=in_two_phases) as session:
                await work(session, choice)
                if in_two_phases:
                    await session.run_sync(lambda session: session.prepare())
                    self.prepared += 1
                # What is prepared may be undone, too.
                await (session.rollback() if in_two_phases and choice.random() < 0.2 else session.commit())

        while not await self._attempt(attempt):
            pass

    async def _attempt(self, transact: Callable[[], Awaitable[None]]) -> bool:
        """Whether nobody was faster."""
        try:
            await transact()
        except StaleDataError:
            self.retries += 1
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _TRY_AGAIN:
                raise
            self.retries += 1
        else:
            return True
        return False

    def _session(self, isolation: Isolation, *, in_two_phases: bool = False) -> AsyncSession:
        return AsyncSession(self._engine.execution_options(isolation_level=isolation), twophase=in_two_phases)


@asynccontextmanager
async def librarians(url: str) -> AsyncIterator[Librarians]:
    """They work on this database for the length of a block."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        yield Librarians(engine)
    finally:
        await engine.dispose()
