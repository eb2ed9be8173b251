"""What the service is doing right now, for its health checks."""

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
