"""What the service is doing now, as its health checks show it in ``/readyz``. The service writes it, and nobody else."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where the service is in its life."""

    STARTING = "starting"
    RECONNECTING = "reconnecting"
    STANDBY = "standby"
    LEADING = "leading"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProgress:
    """How far the load of a table has come."""

    # public.orders
    table: str
    # waiting or running
    state: str
    rows: int
    # Of their images.
    bytes: int
    # What the planner expected; None: not known.
    estimated_rows: int | None


@dataclass(slots=True)
class ServiceState:
    """The state of one sink. Each text is None while there is nothing to say."""

    phase: Phase = Phase.STARTING
    # Why nothing is delivered.
    trouble: str | None = None
    # The change at which delivery stands still, and why. What is before it is delivered, and so are dead letters that are sent again.
    standstill: str | None = None
    # That a lane waits, since the sink refuses its first record for good (`on_poison=halt-lane`). All other lanes may be delivered.
    halt: str | None = None
    # Why records that are too large for the stream cannot be stored in S3. They wait; all else may be delivered.
    upload_trouble: str | None = None
    # On a standby: that the leader's lock is held by a session that is no listener, so that nobody delivers.
    usurpation: str | None = None
    # On a standby: what an operator should look at, although a listener leads.
    warning: str | None = None

    # The streams that cannot be written to, of a sink that has one for each table, and why. All others are delivered to.
    stream_warnings: Sequence[str] = ()

    # The tables whose rows are being loaded, or wait for that, as far as this process leads.
    loads: Sequence[LoadProgress] = ()
    # The loads that have failed, each with the remedy. Changes are delivered all the same.
    load_warnings: Sequence[str] = ()

    def enter(self, phase: Phase) -> None:
        """Begin a phase in which nothing is known to be wrong."""
        self.phase, self.trouble, self.standstill, self.halt = phase, None, None, None
        self.loads, self.load_warnings = (), ()

    @property
    def reason(self) -> str | None:
        """Why it is not ready; None if nothing is in its way."""
        return self.usurpation or self.trouble or self.standstill or self.halt or self.upload_trouble

    @property
    def leads(self) -> bool:
        """Whether this process is the one that delivers to the sink."""
        return self.phase is Phase.LEADING

    @property
    def ready(self) -> bool:
        """Whether the service delivers, or stands by to take over from another one that does."""
        return self.reason is None and self.phase in (Phase.LEADING, Phase.STANDBY)


@dataclass(slots=True)
class OutboxState:
    """The state of the outbox, which all sinks share."""

    # What an operator should look at although everything is delivered, or will be.
    warnings: Sequence[str] = ()
    # Those of them that are neither about its limits nor about tables that are not captured.
    others: Sequence[str] = ()
