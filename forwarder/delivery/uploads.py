"""Stores what is attached to records before they are sent, a few objects at a time, beside the requests: a store that hangs costs them nothing."""

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

# So many objects are stored at once, which is as fast as one session reads them. Each is in memory with one part, of some megabytes; what
# waits is in the database.
MAX_UPLOADS = 3
RETRY_FIRST_SECONDS = 0.25
RETRY_MAX_SECONDS = 10.0
# Under this code a failed attempt is counted among the records that were not stored.
NOT_STORED = "AttachmentNotStored"

logger = logging.getLogger(__name__)


# Told of a record. Nothing is attached to it any more, if that is stored; else its change was given up.
Ended = Callable[[Record], None]


class _Waiting(NamedTuple):
    """An object that is to be stored; compared by when, and by who came first."""

    due: float
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
    """The objects to be stored, each of which is tried until it is. The state says why, while some are not."""

    def __init__(self, store: ObjectStore, *, state: ServiceState, metrics: SinkMetrics) -> None:
        self._store = store
        self._state = state
        self._metrics = metrics
        # Not a task each: there may be as many as there are records in memory.
        self._waiting: list[_Waiting] = []
        self._added = 0
        self._changed = anyio.Event()
        # How many of those that are waiting or being stored have failed before.
        self._failing = 0
        self._complaints = Throttled(seconds=10.0)

    def add(self, records: Sequence[Record]) -> None:
        """Store what is attached to these records, after what was added before."""
        for record in records:
            self._wait(record, seconds=0.0, attempts=0)

    async def run(self, ended: Ended) -> None:
        """Store what is added, until cancelled; ``ended`` is called for each record once it is stored, or given up.

        A store that takes one object and not another holds up nobody: who fails waits behind the others.
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
        """What is due first, and how often it has failed; waits for it."""
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
        self._failing -= attempts > 0
        if not self._failing:
            self._state.upload_trouble = None

    def _failed(self, record: Record, attempts: int, error: ForwarderError) -> None:
        self._failing += attempts == 0
        self._metrics.rejected(NOT_STORED, 1)
        self._state.upload_trouble = f"what is too large for the stream cannot be stored: {error}"
        if self._complaints.due("not stored"):
            logger.warning("large record not stored, trying again", extra={"reason": str(error), "seq": record.seq})
        attempts += 1
        pause = delay_seconds(attempts, first_seconds=RETRY_FIRST_SECONDS, max_seconds=RETRY_MAX_SECONDS)
        self._wait(record, seconds=pause, attempts=attempts)
