"""What every sink is: where records are offered, and what it says of those that it does not store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from forwarder.health import ServiceState
from forwarder.records.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A record that the sink did not store, and why. It is offered again, unless that is final."""

    record: Record
    # The sink's own word for what was wrong.
    code: str
    # In words; they may quote the record.
    reason: str = ""
    # Whether the sink will never store it. If it has followers, one of them may be at fault: it is offered again with half of them.
    is_final: bool = False
    # How long it waits before it is offered again; None: see `forwarder.delivery.retries`.
    wait_seconds: float | None = None


class Sink(Protocol):
    """Where the records of one sink URL go.

    A sink stores each record it does not reject, keeps it for good, and may store a record twice. It promises nothing about
    the order of the records of one request; the relay never offers it two that must be kept in order.
    """

    # The most that one request may carry, and how many requests may be under way.
    max_records: int
    max_in_flight: int
    # Whether it reads the bodies of records by itself, part by part, and so takes records of any size.
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
        """Entered by the leader for as long as it leads. It keeps other processes away from what only one may write to, such as a file.

        Raises:
            Refused: waiting cannot mend it.
            Unavailable: somebody else still has it.
        """

    async def watch(self, state: ServiceState) -> None:
        """Look after the sink until cancelled, or return if there is nothing to look after.

        While it finds that the sink must not be written to, ``publish`` raises ``Unavailable``, and ``state.trouble`` says why.
        """

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Offer records, all in one request, and say which of them were not stored, in their order.

        Raises:
            Invalid: one of them is refused for what it is, and the sink does not say which; none is stored.
            Unavailable: any part of them may have been stored; offer all of them again.
            Refused: waiting cannot mend it.
        """
