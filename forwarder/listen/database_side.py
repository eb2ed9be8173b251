"""The database's side of a leader: what it reads from, and where it stands."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from forwarder.config.sink_url import KinesisTarget, SinkUrl
from forwarder.database.server_identity import database_name, server_of
from forwarder.database.sessions import database_errors
from forwarder.delivery.arrivals import Arrivals
from forwarder.delivery.lease import Lease
from forwarder.delivery.quarantine import Quarantine
from forwarder.delivery.tenure import Tenure
from forwarder.delivery.uptime import uptime_seconds
from forwarder.listen.absent_columns import AbsentColumns
from forwarder.listen.leader_session import LeaderSession
from forwarder.listen.sink_setup import SinkSetup
from forwarder.listen.table_filter import table_filter
from forwarder.outbox.source import Inflow, Source
from forwarder.records.formats.encoder import Provenance
from forwarder.store import history
from forwarder.store.positions import Positions


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSide:
    """A leader's own session, and what it shares with the leaders of other sinks."""

    session: LeaderSession
    # Where changes are read from; shared.
    inflow: Inflow
    provenance: Provenance
    positions: Positions
    tenure: Tenure
    absent_columns: AbsentColumns


async def database_side(
    stack: AsyncExitStack, setup: SinkSetup, session: LeaderSession, source: Source, *, region: str | None
) -> DatabaseSide:
    server = await server_of(session.connection, url=setup.database_url)
    entered = await history.identify(session.connection, server)
    inflow = await stack.enter_async_context(source.joined(server, history_stamp=entered.stamp))
    positions = Positions(
        session.connection,
        sink=setup.sink.name,
        history_stamp=entered.stamp,
        newcomers=setup.newcomers,
        tell_lost=setup.metrics.lost,
    )
    setup.survey.clock.forget()
    with database_errors("cannot read the database's clock"):
        await setup.survey.clock.ask(session.connection)
    tenure = await _tenure(setup, positions)
    absent_columns = AbsentColumns(setup.sink.name, setup.sink_url.partition_key, table_filter(setup.sink.tables))
    captured = [table for table, _ in inflow.registry.tables.values()]
    await absent_columns.look(session.connection, captured)
    if setup.mappings_check:
        await setup.mappings_check.look(session.connection, captured)
    database = await database_name(session.connection)
    return DatabaseSide(
        session=session,
        inflow=inflow,
        provenance=Provenance(origins=entered.origins, database=database, region=region),
        positions=positions,
        tenure=tenure,
        absent_columns=absent_columns,
    )


async def _tenure(setup: SinkSetup, positions: Positions) -> Tenure:
    # Loading the position is the first proof of the leadership. The lease counts from before it is asked for.
    lease = Lease(asked_at=uptime_seconds())
    position = await positions.load(start=setup.sink.start)
    quarantine = Quarantine(setup.metrics, halts_lanes=_halts_lanes(setup.sink_url))
    arrivals = Arrivals(setup.survey.clock, setup.metrics.acknowledged)
    return Tenure(position=position, ahead=positions.ahead, lease=lease, quarantine=quarantine, arrivals=arrivals)


def _halts_lanes(sink_url: SinkUrl) -> bool:
    return isinstance(sink_url.target, KinesisTarget) and sink_url.target.on_poison == "halt-lane"
