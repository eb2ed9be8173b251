"""What every sink is: where records are offered, and what becomes of those that it does not store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from forwarder.health import ServiceState
from forwarder.records.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A record that the sink did not store, and why. It is offered again, unless it would be refused for ever.

    One that would be for ever with its followers is offered again with fewer of them.
    """

    record: Record
    code: str
    # In words; they may quote the record.
    reason: str = ""
    is_final: bool = False
    # How long it waits before it is offered again; None: as long as the failures suggest.
    wait_seconds: float | None = None


class Sink(Protocol):
    """The far side.

    A sink stores each record it does not reject, keeps it for good, and may store a record twice. It promises nothing about
    the order of the records of one request; the relay never offers it two that must be kept in order.
    """

    # The most that one request may carry, and how many requests may be under way.
    max_records: int
    max_in_flight: int
    # Whether it reads the body of a record by itself, as a sink must that takes records of any size.
    takes_bodies: bool

    @property
    def max_bytes(self) -> int:
        """The most that one request may carry now, data and partition keys together."""

    @property
    def max_record_bytes(self) -> int:
        """The most that one record may hold now, data and partition key together."""

    async def prepare(self) -> None:
        """Wait until the sink can be written to, and learn its limits.

        Raises:
            Refused: waiting cannot mend it.
        """

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Entered by whoever leads, for as long as he leads: what another process must not touch at the same time.

        Raises:
            Refused: waiting cannot mend it.
            Unavailable: somebody else still has it.
        """

    async def watch(self, state: ServiceState) -> None:
        """Look after the sink until cancelled, or return if there is nothing to look after.

        What must not be written to now refuses it by ``Unavailable``, and is the state's trouble until it is mended.
        """

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Offer records, all in one request.

        Raises:
            Invalid: one of them is refused for what it is, nobody says which; none is stored.
            Unavailable: any part of them may have been stored; offer all of them again.
            Refused: waiting cannot mend it.
        """
