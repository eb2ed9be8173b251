"""What is captured now, as far as the database has told: sinks are judged by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forwarder.capture.captured import read_captured
from forwarder.capture.catalog import TableName
from forwarder.capture.selection import Pattern
from forwarder.doctor.area import Patient
from forwarder.doctor.load import Load
from forwarder.doctor.outbox import read_load


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """Of which tables, and how much. None: it is not known."""

    tables: Sequence[TableName] | None = None
    load: Load | None = None


async def read(patient: Patient) -> Captured:
    """Ask the database.

    Raises:
        Misconfigured, Refused: nothing is captured, or it is not ours to read.
        Unavailable: the database does not answer.
    """
    return Captured(
        tables=await read_captured(patient.connection, [Pattern("*.*")]),
        load=await read_load(patient),
    )
