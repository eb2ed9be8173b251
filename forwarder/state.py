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

    @property
    def ready(self) -> bool:
        """Whether the service delivers, or stands by to take over."""
        return self.trouble is None and self.phase in (Phase.LEADING, Phase.STANDBY)


@dataclass(slots=True)
class OutboxState:
    """Written by the janitor, read by the health checks."""

    # What an operator should look at although everything is delivered, or will be.
    warnings: Sequence[str] = ()
