"""Stores the attachments of records before the records are sent, a few at a time, and beside the requests.

A store that hangs costs the requests nothing: it holds up the lanes of the records that wait for it, and no others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple, Protocol

import anyio

from forwarder.backoff import delay_seconds
from forwarder.errors import ForwarderError, Vanished
from forwarder.health import ServiceState
from forwarder.logs import Throttled
from forwarder.metrics import SinkMetrics
from forwarder.records.record import Attachment, Record

# So many objects are stored at once. More would be no faster, since one session of the database reads them all, and of each one part, some
# megabytes, is in memory.
MAX_UPLOADS = 3
RETRY_FIRST_SECONDS = 0.25
RETRY_MAX_SECONDS = 10.0
# Under this code a failed attempt is counted among the records that were not stored.
NOT_STORED = "AttachmentNotStored"

logger = logging.getLogger(__name__)


# Called with a record. Its attachment is None if that is stored; else it is not to be sent, since its dead letter was discarded.
Ended = Callable[[Record], None]


class _Waiting(NamedTuple):
    """A record whose attachment is to be stored. What is due first comes first, and of those that are due together the one added first."""

    due: float
    # Counts what was added: no two are equal, so records are not compared.
    number: int
    record: Record
    attempts: int


class ObjectStore(Protocol):
    """``forwarder.sinks.claim_check.Attachments``."""

    async def prepare(self) -> None:
        """Make sure that there is somewhere to store objects.

        Raises:
            Refused: there is not, and waiting cannot mend it.
        """

    async def watch(self) -> None:
        """Look after the store until cancelled."""

    async def put(self, attachment: Attachment) -> None:
        """Store an object. Stored twice it is the same object: its key follows from the change.

        Raises:
            Vanished: the change is a dead letter, and was discarded before it was read.
            ForwarderError: it is not stored, and may be the next time.
        """


class Uploads:
    """The attachments that are to be stored, each of which is tried until it is. While one has failed, the state says why."""

    def __init__(self, store: ObjectStore, *, state: ServiceState, metrics: SinkMetrics) -> None:
        self._store = store
        self._state = state
        self._metrics = metrics
        # A heap. They have no task each, since there may be as many as there are records in memory.
        self._waiting: list[_Waiting] = []
        self._added = 0
        self._changed = anyio.Event()
        # How many, of those that wait or are being stored, have failed before.
        self._failing = 0
        self._complaints = Throttled(seconds=10.0)

    def add(self, records: Sequence[Record]) -> None:
        """Store the attachments of these records, after those that were added before."""
        for record in records:
            self._wait(record, seconds=0.0, attempts=0)

    async def run(self, ended: Ended) -> None:
        """Store what is added, until cancelled; ``ended`` is called with each record once its attachment is stored, or it is given up.

        An object that the store does not take waits behind the others.
        """
        try:
            async with anyio.create_task_group() as tasks:
                for _ in range(MAX_UPLOADS):
                    tasks.start_soon(self._work, ended)
        finally:
            self._state.upload_trouble = None

    async def _work(self, ended: Ended) -> None:
        while True:
            record, attempts = await self._next()
            attachment = record.attachment
            assert attachment is not None
            try:
                await self._store.put(attachment)
            except Vanished:
                self._succeeded(attempts)
                ended(record)
            except ForwarderError as error:
                self._failed(record, attempts, error)
            else:
                record.attachment = None
                self._succeeded(attempts)
                ended(record)

    async def _next(self) -> tuple[Record, int]:
        """Wait until one is due. Returns its record, and how often it has failed."""
        while True:
            seconds = self._waiting[0].due - anyio.current_time() if self._waiting else inf
            if seconds <= 0:
                first = heappop(self._waiting)
                return first.record, first.attempts
            changed = self._changed
            with anyio.move_on_after(seconds):
                await changed.wait()

    def _wait(self, record: Record, *, seconds: float, attempts: int) -> None:
        self._added += 1
        heappush(self._waiting, _Waiting(anyio.current_time() + seconds, self._added, record, attempts))
        self._changed.set()
        self._changed = anyio.Event()

    def _succeeded(self, attempts: int) -> None:
        if attempts:
            self._failing -= 1
        if not self._failing:
            self._state.upload_trouble = None

    def _failed(self, record: Record, attempts: int, error: ForwarderError) -> None:
        if not attempts:
            self._failing += 1
        self._metrics.rejected(NOT_STORED, 1)
        self._state.upload_trouble = f"what is too large for the stream cannot be stored: {error}"
        if self._complaints.due("not stored"):
            logger.warning("large record not stored, trying again", extra={"reason": str(error), "seq": record.seq})
        attempts += 1
        pause = delay_seconds(attempts, first_seconds=RETRY_FIRST_SECONDS, max_seconds=RETRY_MAX_SECONDS)
        self._wait(record, seconds=pause, attempts=attempts)
