"""What is to be read of a table. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from forwarder.load.part import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """A captured table, and which of its rows are to be read."""

    table_id: int
    # Under its present names, not quoted.
    schema: str
    name: str
    # Its oid.
    relation: int
    is_partitioned: bool
    part: Part
    # The present names of the key's columns. Empty: there is no key.
    key: tuple[str, ...]
    # Whether updates and deletes tell the old row whole, and updates the new one.
    tells_old_rows: bool
    tells_new_rows: bool
    # How many rows that is, as PostgreSQL's planner estimates it.
    estimated_rows: int

    @property
    def qualified_name(self) -> str:
        """``public.orders``; not quoted, so not for SQL."""
        return f"{self.schema}.{self.name}"
