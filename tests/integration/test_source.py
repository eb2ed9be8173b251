from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from forwarder.config.settings import OutboxSettings, Settings
from forwarder.database.server_identity import server_of
from forwarder.errors import Unavailable
from forwarder.health import OutboxState
from forwarder.metrics import Metrics
from forwarder.outbox.janitor import Janitor
from forwarder.outbox.source import Source
from forwarder.outbox.survey import Survey
from forwarder.store import history
from tests.databases import Database, connected


async def test_a_reader_that_reaches_another_server_than_the_leader_is_not_read_from(database: Database) -> None:
    async with connected(database.url) as leader:
        here = await server_of(leader, url=database.url)
        entered = await history.identify(leader, here)
    settings, metrics = OutboxSettings(), Metrics()
    survey = Survey(settings=settings, state=OutboxState(), metrics=metrics.outbox)
    janitor = Janitor(database.url, settings=settings, survey=survey, metrics=metrics.outbox)
    async with anyio.create_task_group() as tasks:
        source = Source(
            tasks,
            Settings(),
            janitor,
            database_url=database.url,
            sinks=1,
            with_columns=False,
            once=True,
            metrics=metrics,
        )
        with pytest.raises(Unavailable, match="leader and reader reached two servers"):
            async with source.joined(replace(here, timeline=here.timeline + 1), history_stamp=entered.stamp):
                pass
        async with source.joined(here, history_stamp=entered.stamp) as inflow:
            assert inflow.where.server == here
