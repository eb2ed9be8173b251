"""Connections that follow no redirect: AWS sends none for what we ask, and a request has a session token in it.

aiohttp takes the signature from what it sends to another origin, but knows nothing of the token, nor of the body.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from aiobotocore.httpsession import AIOHTTPSession


class StraightSession(AIOHTTPSession):  # type: ignore[misc]
    """As botocore's own; a redirect is an answer as any other, and an error."""

    async def _get_session(self, proxy_url: str | None) -> Any:
        return _Straight(await super()._get_session(proxy_url))


class _Straight:
    """A session as far as it is asked for requests."""

    __slots__ = ("request",)

    def __init__(self, session: Any) -> None:
        self.request = partial(session.request, allow_redirects=False)
