"""Renews temporary credentials ahead of time, beside the requests, so that no request waits for new ones.

botocore renews them while it signs a request: for one request in their last 15 minutes, and for every request in the last 10. While the
source of the credentials does not answer, these requests wait or fail, although the credentials that they have are still good. Here they
are renewed in the background from 15 minutes before their end on, and requests wait in their last minute alone.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any

import anyio
from aiobotocore.credentials import AioRefreshableCredentials

from forwarder.aws.call import aws_call
from forwarder.backoff import Backoff
from forwarder.errors import ForwarderError
from forwarder.logs import Throttled
from forwarder.metrics import SinkMetrics

AHEAD_SECONDS = 15 * 60
# With less left than this a request waits for new ones, as it could not be signed otherwise.
LAST_SECONDS = 60
LOOK_SECONDS = 30.0
RETRY_FIRST_SECONDS = 1.0
RETRY_MAX_SECONDS = 30.0

logger = logging.getLogger(__name__)


class CredentialsRenewal:
    """Keeps the credentials of one client fresh; those that have no end, and those that no request has asked for yet, are left alone."""

    def __init__(self, client: Any, what: str, metrics: SinkMetrics | None = None) -> None:
        """``what`` says in messages what the client is for: ``stream changes``. ``metrics``: where it is told when they end, if anywhere."""
        credentials = client._request_signer._credentials
        self._what = what
        self._credentials = credentials if isinstance(credentials, AioRefreshableCredentials) else None
        self._metrics = metrics
        self._complaints = Throttled(seconds=60.0)
        if self._credentials is not None:
            self._credentials._advisory_refresh_timeout = LAST_SECONDS
            self._credentials._mandatory_refresh_timeout = LAST_SECONDS

    async def run(self) -> None:
        """Renew the credentials until cancelled; returns at once if they have no end."""
        if self._credentials is None:
            return
        backoff = Backoff(first_seconds=RETRY_FIRST_SECONDS, max_seconds=RETRY_MAX_SECONDS)
        while True:
            seconds = LOOK_SECONDS
            try:
                await self._renew(self._credentials)
                backoff.reset()
                self._tell_end(self._credentials)
            except ForwarderError as error:
                seconds = backoff.next()
                if self._complaints.due("renewal"):
                    logger.warning("cannot renew the credentials, trying again", extra={"reason": str(error)})
            await anyio.sleep(seconds)

    async def _renew(self, credentials: Any) -> None:
        with aws_call(f"{self._what}: new credentials"):
            if credentials._frozen_credentials is None or not credentials.refresh_needed(AHEAD_SECONDS):
                return
            async with credentials._refresh_lock:
                if credentials.refresh_needed(AHEAD_SECONDS):
                    await self._counting(_refresh(credentials))

    async def _counting(self, attempt: Awaitable[None]) -> None:
        try:
            await attempt
        except Exception:
            if self._metrics:
                self._metrics.credentials_renewed(is_done=False)
            raise
        if self._metrics:
            self._metrics.credentials_renewed(is_done=True)

    def _tell_end(self, credentials: Any) -> None:
        # No end is known before a request has asked for the credentials.
        if self._metrics and credentials._expiry_time:
            self._metrics.credentials_end(credentials._expiry_time.timestamp())


async def _refresh(credentials: Any) -> None:
    """Ask for new credentials. They replace the old ones only if they are good: not ended already, and with an end that can be read."""
    before = dict(vars(credentials))
    try:
        # Mandatory: errors are raised. Those of an advisory refresh are only logged.
        await credentials._protected_refresh(is_mandatory=True)
        credentials.refresh_needed(AHEAD_SECONDS)
    except BaseException:
        vars(credentials).update(before)
        raise
