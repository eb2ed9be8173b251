"""Who may ask, and for what: middlewares that answer for the application what is not to come to it.

The health checks are for anybody, since a load balancer sends no token and any name. The dashboard's own files are for who has no token too: they say
nothing, and the page they make asks for it.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import SecretStr

from forwarder.status.host_names import is_allowed

HEALTH = ("/healthz", "/readyz")


def host_guard(names: Collection[str]) -> Middleware:
    """Refuses requests under a name that may be a stranger's."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in HEALTH and not is_allowed(request.headers.get("Host"), names):
            raise web.HTTPForbidden(
                text="this server is not known by the name in Host; ask it by its IP address, or add the name to hosts in [http]"
            )
        return await handler(request)

    return guard


def token_guard(token: SecretStr) -> Middleware:
    """Refuses requests without the token, if there is one."""
    expected = f"Bearer {token.get_secret_value()}".encode() if token.get_secret_value() else None

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if expected is not None and not _is_open(request.path):
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            # The time that this takes says nothing of how much of it is right.
            if not hmac.compare_digest(
                f"{scheme.title()} {given.strip()}".encode("utf-8", "surrogateescape"), expected
            ):
                raise web.HTTPUnauthorized(
                    text="send the token of [http] as `Authorization: Bearer TOKEN`",
                    headers={"WWW-Authenticate": 'Bearer realm="forwarder"'},
                )
        return await handler(request)

    return guard


@web.middleware
async def body_guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses requests with a body: nothing here takes one."""
    if request.can_read_body:
        refusal = web.HTTPRequestEntityTooLarge(max_size=0, actual_size=request.content_length or 1)
        refusal.text = "send no body; nothing here takes one"
        refusal.force_close()
        raise refusal
    return await handler(request)


def _is_open(path: str) -> bool:
    return path in (*HEALTH, "/") or path.startswith("/assets/")
