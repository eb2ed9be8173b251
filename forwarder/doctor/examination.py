"""Looks at everything that is configured: the database, then all sinks at once."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from forwarder.capture.selection import Rule
from forwarder.config.settings import Settings, SinkSettings
from forwarder.database.access import DatabaseAddress
from forwarder.doctor.database import DatabaseExamination
from forwarder.doctor.report import Report, Section
from forwarder.doctor.sinks import examine_sink


async def examine(settings: Settings, *, url: DatabaseAddress, rules: Sequence[Rule], is_fast: bool) -> Report:
    """Look at all of it. Whatever fails or hangs is found to do so, and the rest is looked at; nothing is raised.

    Args:
        url: that of the database.
        rules: by which its tables are chosen.
        is_fast: leave out what takes long, and all calls of AWS.
    """
    database = DatabaseExamination(url=url, settings=settings, rules=rules, is_fast=is_fast)
    sections = await database.run()
    of_sinks: dict[str, Section] = {}

    async def look(sink: SinkSettings) -> None:
        of_sinks[sink.name] = await examine_sink(sink, database.captured, is_fast=is_fast)

    async with anyio.create_task_group() as tasks:
        for sink in settings.sink:
            tasks.start_soon(look, sink)
    return Report(sections=[*sections, *(of_sinks[sink.name] for sink in settings.sink)])
