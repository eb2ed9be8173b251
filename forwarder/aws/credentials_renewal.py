"""Renews temporary credentials ahead of time, beside the requests.

botocore renews them when it signs a request, in its last quarter of an hour in one that is unlucky, in the last ten minutes in all of
them: as long as whoever gives them out does not answer, requests wait or fail, although the credentials they have are still good.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio
from aiobotocore.credentials import AioRefreshableCredentials

from forwarder.aws.call import aws_call
from forwarder.backoff import Backoff
from forwarder.errors import ForwarderError
from forwarder.logs import Throttled

AHEAD_SECONDS = 15 * 60
# Only with less left than this a request waits for new ones: it could not be made otherwise.
LAST_SECONDS = 60
LOOK_SECONDS = 30.0
RETRY_FIRST_SECONDS = 1.0
RETRY_MAX_SECONDS = 30.0

logger = logging.getLogger(__name__)


class CredentialsRenewal:
    """The credentials of one client. Those that do not end, and those not yet asked for, are left alone."""

    def __init__(self, client: Any, what: str) -> None:
        """``what`` is what the client is for, in messages."""
        credentials = client._request_signer._credentials
        self._what = what
        self._credentials = credentials if isinstance(credentials, AioRefreshableCredentials) else None
        self._complaints = Throttled(seconds=60.0)
        if self._credentials is not None:
            self._credentials._advisory_refresh_timeout = LAST_SECONDS
            self._credentials._mandatory_refresh_timeout = LAST_SECONDS

    async def run(self) -> None:
        """Renew them until cancelled; returns at once if they do not end."""
        if self._credentials is None:
            return
        backoff = Backoff(first_seconds=RETRY_FIRST_SECONDS, max_seconds=RETRY_MAX_SECONDS)
        while True:
            seconds = LOOK_SECONDS
            try:
                await self._renew(self._credentials)
                backoff.reset()
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
                    await _refresh(credentials)


async def _refresh(credentials: Any) -> None:
    """Ask for new ones. What is no good, since it has ended already or does not say when it ends, does not replace those there are."""
    before = dict(vars(credentials))
    try:
        # So that it raises what goes wrong.
        await credentials._protected_refresh(is_mandatory=True)
        credentials.refresh_needed(AHEAD_SECONDS)
    except BaseException:
        vars(credentials).update(before)
        raise
