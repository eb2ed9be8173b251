"""A column by whose values a table is read in order, and how SQL says so. Pure."""

from __future__ import annotations

import msgspec

from forwarder.database.quoting import identifier, literal


class KeyColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the index that is walked, as forwarder.index_columns() of 0037_load_rows.sql describes it."""

    name: str
    # Its attnum, which stays if it is renamed.
    number: int = 0
    # What a value has to be of to be compared, as SQL writes it: bigint.
    type: str
    # As SQL writes it: pg_catalog."C".
    # Whether the column is of a domain, and `type` what that is made of.
    is_domain: bool = False
    collation: str | None = None
    # The index's operators, as SQL writes them: OPERATOR(pg_catalog.<).
    less: str
    equal: str
    greater: str
    at_least: str
    is_descending: bool = False
    is_nulls_first: bool = False
    # Whether the type comes with PostgreSQL. Of another one, a cast to text or from it may be somebody's code.
    is_of_postgres: bool = True
    # Whether to read a value from text would run the check of somebody's domain.
    has_checks: bool = False

    @property
    def reference(self) -> str:
        """The column of the row that is called NEW."""
        return f"NEW.{identifier(self.name)}"

    @property
    def order(self) -> str:
        """As ORDER BY has it, so that it is the order of the index."""
        operator = self.greater if self.is_descending else self.less
        nulls = "FIRST" if self.is_nulls_first else "LAST"
        return f"{self._compared} USING {operator} NULLS {nulls}"

    @property
    def meaning(self) -> str:
        """What a value of this column, given as text, says about a place in the order. It stays if the column is renamed."""
        return f"{self.number} {self.type} {self.collation} {self.less} {self.is_descending} {self.is_nulls_first}"

    def text(self, value: str) -> str:
        """The SQL for the text of a value of this column from which PostgreSQL makes the same value again."""
        if self.type == '"char"':
            # Its text is a byte, which need not be UTF-8.
            return f"{value}::integer::text"
        if self.is_of_postgres:
            return f"{value}::{self.type}::text"
        # Not by a cast, which may be somebody's code.
        return f"concat({value})"

    def plain(self, value: str) -> str:
        """The SQL for a value that is in JSON as this one is, without a cast that may be somebody's code."""
        return value if self.is_of_postgres else f"concat({value})"

    def equals(self, value: str) -> str:
        """The condition that a row has this value, given as text."""
        return f"{self._compared} {self.equal} {self._constant(value)}"

    def follows(self, value: str) -> str:
        """The condition that a row comes later in the order than this value, given as text."""
        return f"{self._compared} {self.less if self.is_descending else self.greater} {self._constant(value)}"

    def is_at_least(self, value: str) -> str:
        """The condition that a row has this value, given as text, or a greater one."""
        return f"{self._compared} {self.at_least} {self._constant(value)}"

    @property
    def _compared(self) -> str:
        # Operators of enums and ranges do not take a domain.
        value = f"{self.reference}::{self.type}" if self.is_domain else self.reference
        return f"{value} COLLATE {self.collation}" if self.collation else value

    def _constant(self, value: str) -> str:
        # A constant without a type of its own is read by the type's input function, and by no cast.
        if self.type == '"char"':
            return f"{literal(value)}::integer::{self.type}"
        return f"{literal(value)}::{self.type}"
