"""What is the same for every tenure of one sink in this process."""

from __future__ import annotations

from dataclasses import dataclass

from forwarder.config.settings import Settings, SinkSettings
from forwarder.config.sink_url import SinkUrl
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.database.access import DatabaseAddress
from forwarder.delivery.buffer import MemoryLimits
from forwarder.health import ServiceState
from forwarder.listen.mappings_check import MappingsCheck
from forwarder.metrics import SessionMetrics, SinkMetrics
from forwarder.outbox.survey import Survey
from forwarder.store.positions import Newcomers


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSetup:
    """Its settings, and what it reports to."""

    database_url: DatabaseAddress
    sink: SinkSettings
    # Its URL, parsed.
    sink_url: SinkUrl
    settings: Settings
    # The sink's part of what the process may have in memory.
    memory: MemoryLimits
    state: ServiceState
    metrics: SinkMetrics
    session_metrics: SessionMetrics
    newcomers: Newcomers
    survey: Survey
    # The names that records have, if they are others than the database's.
    mappings: TableMappings | None = None
    # Of the file that they are from; shared by all sinks.
    mappings_check: MappingsCheck | None = None
