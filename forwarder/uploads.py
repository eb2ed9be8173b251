"""Stores what is attached to records before they are sent, a few objects at a time, beside the requests: a store that hangs costs them nothing."""

from __future__ import annotations

import logging
from typing import Protocol

import anyio

from forwarder.backoff import delay_seconds
from forwarder.errors import ForwarderError, Vanished
from forwarder.events import Attachment, Record
from forwarder.logs import Occasional
from forwarder.metrics import SinkMetrics
from forwarder.state import ServiceState

# So many objects are stored at once. Each is in memory with one part, of some megabytes.
MAX_UPLOADS = 4
RETRY_FIRST_SECONDS = 0.25
RETRY_MAX_SECONDS = 10.0
# Under this code a failed attempt is counted among the records that were not stored.
NOT_STORED = "AttachmentNotStored"

logger = logging.getLogger(__name__)


class Store(Protocol):
    """``forwarder.attachments.Attachments``."""

    async def put(self, attachment: Attachment) -> None:
        """Store an object. Stored twice it is the same object: its key follows from the change.

        Raises:
            Vanished: the change was given up before it was read.
            ForwarderError: it is not stored, and may be the next time.
        """


class Uploads:
    """The objects on their way, each of which is tried until it is stored. The state says why, while some are not."""

    def __init__(self, store: Store, *, state: ServiceState, metrics: SinkMetrics) -> None:
        self._store = store
        self._state = state
        self._metrics = metrics
        self._slots = anyio.Semaphore(MAX_UPLOADS)
        # The ids of the records whose last attempt has failed.
        self._failing: set[int] = set()
        self._complaints = Occasional(seconds=10.0)

    async def store(self, record: Record) -> bool:
        """Store what is attached to a record, however long that takes; False if the change was given up meanwhile."""
        attempts = 0
        try:
            while record.attachment:
                try:
                    async with self._slots:
                        await self._store.put(record.attachment)
                    # It is there, whatever becomes of the record, and need not be kept in memory.
                    record.attachment = None
                except Vanished:
                    return False
                except ForwarderError as error:
                    attempts += 1
                    self._failed(record, error)
                    await anyio.sleep(
                        delay_seconds(attempts, first_seconds=RETRY_FIRST_SECONDS, max_seconds=RETRY_MAX_SECONDS)
                    )
        finally:
            self._ended(record)
        return True

    def _failed(self, record: Record, error: ForwarderError) -> None:
        self._failing.add(id(record))
        self._metrics.rejected(NOT_STORED, 1)
        self._state.upload_trouble = f"what is too large for the stream cannot be stored: {error}"
        if self._complaints.due("not stored"):
            logger.warning("large record not stored, trying again", extra={"reason": str(error), "seq": record.seq})

    def _ended(self, record: Record) -> None:
        self._failing.discard(id(record))
        if not self._failing:
            self._state.upload_trouble = None
