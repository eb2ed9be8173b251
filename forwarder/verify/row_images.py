"""The SQL that writes a row, which is called NEW, as it is compared: as records have it, or each value as its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import asyncpg

from forwarder.database.quoting import identifier
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Refused
from forwarder.load.images import Needs, image, key_image
from forwarder.load.needs import read_needs
from forwarder.verify.subject import Subject


class RowImages(Protocol):
    """How rows of one table are written."""

    @property
    def row(self) -> str:
        """The SQL for a row."""

    def key(self, values: Mapping[str, str]) -> str:
        """The SQL for a key, as it is in a row; ``values``: SQL for each of its columns."""


class TextImages:
    """Each value is its text, not what JSON makes of it."""

    def __init__(self, subject: Subject) -> None:
        self.row = _object({name: f"new.{identifier(name)}" for name in subject.columns})

    def key(self, values: Mapping[str, str]) -> str:
        """The SQL for a key."""
        return _object(values)


class SentImages:
    """As the trigger makes them: without the columns that are not sent, and with others hashed, masked or cut by its rules."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self.row = image(needs)

    def key(self, values: Mapping[str, str]) -> str:
        """The SQL for a key."""
        return key_image(values, self._needs)


async def read_sent_images(connection: Connection, subject: Subject) -> SentImages:
    """How the trigger writes the rows of a captured table, by the rules that it has now.

    Raises:
        Refused: the table was renamed or dropped meanwhile, or its rules are not for it, since it was restored and not migrated.
        Unavailable: the database does not answer.
    """
    assert subject.registered is not None
    name = f"{identifier(subject.schema)}.{identifier(subject.name)}"
    what = f"cannot read the rules of {subject.qualified_name}"
    with database_errors(what):
        try:
            needs = await read_needs(connection, name, subject.registered.id, subject.columns)
        except (asyncpg.UndefinedObjectError, asyncpg.InvalidSchemaNameError) as error:
            raise Refused(f"{what}: {error}; it was altered meanwhile, so run it again") from error
    key = [column.name for column in subject.key]
    if needs.rules and not needs.rules["columns"].keys() >= set(key):
        raise Refused(f"{what}: they know nothing of its key; run `forwarder migrate`, and run it again")
    # Virtual generated columns are left out: they are null in records.
    return SentImages(needs.of_columns(subject.columns, key))


def _object(values: Mapping[str, str]) -> str:
    members = ", ".join(f"{value}::text AS {identifier(name)}" for name, value in values.items())
    return f"(SELECT row_to_json(image.*)::text FROM (SELECT {members}) AS image)"  # noqa: S608
