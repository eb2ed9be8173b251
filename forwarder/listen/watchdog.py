"""Says that a sink does not get on, when nothing else has said why."""

from __future__ import annotations

import logging

import anyio

from forwarder.delivery.relay import Relay
from forwarder.health import ServiceState
from forwarder.listen.stall import StallDetector
from forwarder.logs import Throttled

LOOK_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Watchdog:
    """Looks after the relay of one tenure. Where somebody else has said why, with a trouble or a halted lane, that stays as it is."""

    def __init__(self, relay: Relay, state: ServiceState) -> None:
        self._relay = relay
        self._state = state
        self._stall = StallDetector()
        self._complaints = Throttled(seconds=60.0)
        # The trouble that this has set last.
        self._trouble: str | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._look()
            await anyio.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        relay = self._relay
        found = self._stall.look(progress=relay.progress, waiting=relay.records, now=anyio.current_time())
        if self._state.trouble is None or self._state.trouble == self._trouble:
            self._trouble = self._state.trouble = None if self._state.halt else found
        if found and self._complaints.due("still"):
            facts = {"reason": self._state.reason, "in_flight": relay.in_flight, "records": relay.records}
            logger.warning("the sink does not get on", extra=facts)
