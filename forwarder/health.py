"""What the service is doing right now, and what it sees, for its health checks."""

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


@dataclass(slots=True)
class ServiceState:
    """Written by the service, read by the health checks."""

    phase: Phase = Phase.STARTING
    # Why nothing is delivered, while nothing is.
    trouble: str | None = None
    # The change that delivery stops before, and why; what was before it, and what is to be sent again, is delivered all the same.
    standstill: str | None = None
    # Why what is too large for the stream is not stored where it should be, and waits, while all else may be delivered.
    upload_trouble: str | None = None
    # While standing by: why whoever has the leader's lock delivers nothing, and what an operator should see to although somebody leads.
    usurpation: str | None = None
    warning: str | None = None

    @property
    def reason(self) -> str | None:
        """Why it is not ready, if something is in its way."""
        return self.usurpation or self.trouble or self.standstill or self.upload_trouble

    @property
    def ready(self) -> bool:
        """Whether the service delivers, or stands by to take over from one who does."""
        return self.reason is None and self.phase in (Phase.LEADING, Phase.STANDBY)


@dataclass(slots=True)
class OutboxState:
    """Written by who measures the outbox, read by the health checks."""

    # What an operator should look at although everything is delivered, or will be.
    warnings: Sequence[str] = ()
