"""The way of rows that are read into a sink: in their place among its changes, and never in their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio

from forwarder.config.settings import LoadSettings
from forwarder.delivery.quarantine import Dropped, Quarantine
from forwarder.delivery.relay import Relay
from forwarder.errors import LoadFailed, Unavailable
from forwarder.events import CapturedTable, Event
from forwarder.health import ServiceState
from forwarder.listen.checkpoints import Checkpoints
from forwarder.listen.intake import Intake
from forwarder.listen.record_maker import RecordMaker
from forwarder.load.floors import SeqFloors
from forwarder.load.pacing import RateLimit
from forwarder.outbox.keys import ReadKey
from forwarder.outbox.position import Snapshot
from forwarder.outbox.source import Inflow
from forwarder.records.packing import Packed
from forwarder.store.loads import Load

# From one look at whether the sink is late to the next.
LATE_SECONDS = 0.05


class PortionSize(NamedTuple):
    """How a load takes turns with changes."""

    # How many rows it hands to the relay at once, and how many such portions may be under way: a change waits behind no more than these.
    rows: int
    under_way: int
    # How many rows it fetches at once: meanwhile nothing else is done in this process.
    read_rows: int
    # How long it rests after each portion that it has fetched, and each that it has handed over, in times of what that took.
    rests: float


# While changes come, and while none do.
SMALL_PORTIONS = PortionSize(rows=100, under_way=1, read_rows=250, rests=1.0)
LARGE_PORTIONS = PortionSize(rows=500, under_way=3, read_rows=2000, rests=0.0)
# A rest takes no longer: there may be a transaction that is open meanwhile.
LONGEST_REST_SECONDS = 0.05
# Changes come if the last one came so long ago at most.
QUIET_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadChannel:
    """What all loads of one sink share while this process leads it."""

    settings: LoadSettings
    inflow: Inflow
    intake: Intake
    relay: Relay
    maker: RecordMaker
    checkpoints: Checkpoints
    quarantine: Quarantine
    state: ServiceState
    row_rate: RateLimit
    byte_rate: RateLimit
    floors: SeqFloors = field(default_factory=SeqFloors)

    async def catch_up(self, snapshot: Snapshot) -> None:
        """Wait until the sink has taken every change that a snapshot sees. The doorbell may not ring for what it sees beyond the head."""
        if snapshot.is_after(self.intake.taken.delivered):
            await self.inflow.head_reader.look()
        await self.intake.reaches(snapshot)
        self.floors.note(self.intake.taken)

    async def table(self, load: Load) -> tuple[CapturedTable, ReadKey]:
        """The table of a load as the registry has it now, and what reads the key out of an image of its rows.

        Raises:
            LoadFailed: it is not captured any more.
        """
        if found := await self.inflow.outbox.table(load.table_id):
            return found
        raise LoadFailed(
            f"{load.qualified_name} is not captured any more; run forwarder migrate, then forwarder load --restart"
        )

    async def offer(self, events: Sequence[Event]) -> Packed:
        """Hand events to the relay, behind all that it has of the table. The caller has the intake's turn.

        Raises:
            Oversized: one is too large for the sink, and the policy is to stop.
        """
        packed = await self.maker.records(events, any_stored=False)
        self.relay.offer_read(packed)
        return packed

    def dropped(self, load: Load) -> Dropped:
        """How much was dropped so far of what loads of this table have sent."""
        return self.quarantine.dropped(load.table_id)

    async def delivered(self, several: Sequence[Packed], load: Load, *, dropped_before: Dropped) -> None:
        """Wait until all of these are delivered, or set aside and stored. ``dropped_before``: ``dropped`` of the load when they were offered.

        Raises:
            LoadFailed: the sink refuses the record of the beginning or end of a load.
            Unavailable: rows were dropped since, perhaps of these, for a stream that cannot be written to: they have to be read again.
        """
        for packed in several:
            await self.relay.delivered(packed)
        dropped = self.dropped(load)
        if dropped.marks_refused > dropped_before.marks_refused:
            raise LoadFailed(
                "the sink refuses the record that says where the load begins or ends; the log has its code"
            )
        if dropped.rows_stranded > dropped_before.rows_stranded:
            raise Unavailable("a stream cannot be written to; the rows for it are read again")
        if self.quarantine.holds_any:
            # Else, if we stopped now, rows that were set aside would be nowhere.
            with anyio.CancelScope(shield=True):
                await self.checkpoints.save()

    @property
    def portions(self) -> PortionSize:
        """What may be handed over now."""
        return SMALL_PORTIONS if self.intake.quiet_seconds() < QUIET_SECONDS else LARGE_PORTIONS

    @property
    def read_rows(self) -> int:
        """As ``forwarder.load.pacing.Restraint`` says."""
        return self.portions.read_rows

    async def rest(self, *, worked_seconds: float) -> None:
        """As ``forwarder.load.pacing.Restraint`` says."""
        if rests := self.portions.rests:
            await anyio.sleep(min(rests * worked_seconds, LONGEST_REST_SECONDS))

    async def give_way(self) -> None:
        """Wait while changes are late, and until there is room for rows."""
        while self._is_late:  # noqa: ASYNC110 - it is time that makes changes late
            await anyio.sleep(LATE_SECONDS)
        await self.relay.room()

    async def give_way_to_halted(self, table: CapturedTable) -> None:
        """Before the beginning or end of a load of a table without a key, wait while a lane is halted.

        It stands between all changes of the table, so it would wait for that lane, and the changes of the whole table behind it.
        """
        while self.state.halt and not table.key_columns:  # noqa: ASYNC110 - as above
            await anyio.sleep(LATE_SECONDS)

    @property
    def _is_late(self) -> bool:
        return max(self.relay.oldest_seconds(), self.intake.behind_seconds()) > self.settings.yield_seconds

    async def keep_the_rate(self, *, rows: int, bytes: int) -> None:
        """Wait as the limits of rows and bytes a second ask for, after so many."""
        now = anyio.current_time()
        await anyio.sleep(max(self.row_rate.wait_seconds(rows, now=now), self.byte_rate.wait_seconds(bytes, now=now)))
