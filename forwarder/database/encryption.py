"""Whether the connection of a session is encrypted, and whether it was checked who is at its other end."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """What is so at our end of a connection."""

    # TLSv1.3; None: it is not encrypted.
    protocol: str | None
    # Whether the server's certificate was checked against authorities that are trusted, and whether its name was.
    checks_authority: bool
    checks_name: bool
    # Whether it does not leave this machine.
    is_local: bool


def encryption_of(connection: Any) -> Encryption:
    """Look at the connection itself: asyncpg does not tell."""
    transport = connection._transport
    peer = transport.get_extra_info("peername")
    secured = transport.get_extra_info("ssl_object")
    context: ssl.SSLContext | None = secured.context if secured else None
    return Encryption(
        protocol=secured.version() if secured else None,
        checks_authority=bool(context and context.verify_mode == ssl.CERT_REQUIRED),
        checks_name=bool(context and context.check_hostname),
        # A socket of this machine has a path, or nothing, for a name.
        is_local=not isinstance(peer, tuple) or ip_address(peer[0].partition("%")[0]).is_loopback,
    )
