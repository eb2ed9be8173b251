"""The tables of an application that is built on SQLAlchemy: a library."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Column, DateTime, ForeignKey, Identity, Numeric, Table, Text, create_mock_engine, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.schema import ExecutableDDLElement


class Base(DeclarativeBase):
    pass


class State(enum.Enum):
    NEW = "new"
    WORN = "worn out"


book_tag = Table(
    "book_tag",
    Base.metadata,
    Column("book_id", ForeignKey("book.id", ondelete="CASCADE"), primary_key=True),
    # A tag that is renamed takes its rows here with it: PostgreSQL changes their keys.
    Column("tag", ForeignKey("tag.name", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True),
)


class Author(Base):
    __tablename__ = "author"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(index=True)
    name: Mapped[str]
    born: Mapped[date | None]
    books: Mapped[list[Book]] = relationship(back_populates="author", cascade="all, delete-orphan")


class Tag(Base):
    __tablename__ = "tag"

    name: Mapped[str] = mapped_column(primary_key=True)
    uses: Mapped[int] = mapped_column(server_default="0")


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    kind: Mapped[str]
    author_id: Mapped[UUID] = mapped_column(ForeignKey("author.id"))
    title: Mapped[str]
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    state: Mapped[State] = mapped_column(default=State.NEW)
    about: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    words: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    version: Mapped[int] = mapped_column()
    author: Mapped[Author] = relationship(back_populates="books")
    tags: Mapped[list[Tag]] = relationship(secondary=book_tag, passive_deletes=True)

    # An update of a version that somebody else has replaced is an error, not a lost change.
    __mapper_args__ = {  # noqa: RUF012
        "polymorphic_on": "kind",
        "polymorphic_identity": "book",
        "version_id_col": version,
        # Two may delete one at once.
        "confirm_deleted_rows": False,
    }


class Novel(Book):
    """A row in two tables."""

    __tablename__ = "novel"

    id: Mapped[int] = mapped_column(ForeignKey("book.id", ondelete="CASCADE"), primary_key=True)
    pages: Mapped[int]

    __mapper_args__ = {"polymorphic_identity": "novel"}  # noqa: RUF012


class Shelf(Base):
    __tablename__ = "shelf"

    number: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[int]
    parent: Mapped[int | None] = mapped_column(ForeignKey("shelf.number"))


def schema() -> Sequence[str]:
    """The statements that create the tables."""
    statements: list[str] = []

    def note(statement: ExecutableDDLElement, *_: object) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine: MockConnection = create_mock_engine("postgresql+asyncpg://", note)
    Base.metadata.create_all(engine, checkfirst=False)
    return statements
