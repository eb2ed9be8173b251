"""Which names of this server a request may use. Pure.

A web site can let its own name point at 127.0.0.1, or at an address in the visitor's network, and then read there as its own what the visitor's
browser may reach (DNS rebinding). The browser sends that name as ``Host``. So a name that a stranger can own is refused, unless an operator has
listed it. Nobody needs to list

1. an IP address, by which load balancers and most scrapers ask: no name is looked up;
2. a name without a dot, such as ``localhost`` or a service in docker-compose.yml: no stranger can own one;
3. a name below ``localhost``, ``local``, ``internal`` or ``home.arpa``: the Internet's DNS has none (RFC 6761, 6762, 8375; ICANN 2024.07.29.06).
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from ipaddress import ip_address

from forwarder.config.http import ANY_HOST

_NOBODYS = (".localhost", ".local", ".internal", ".home.arpa")


def is_allowed(host: str | None, names: Collection[str]) -> bool:
    """Whether a request with this ``Host`` may be answered; ``names`` are those that an operator has listed, in lower case.

    None: it has no such header, which no browser leaves out.
    """
    if host is None or ANY_HOST in names:
        return True
    name = _without_port(host).rstrip(".").lower()
    with suppress(ValueError):
        return bool(ip_address(name))
    return "." not in name or name.endswith(_NOBODYS) or name in names


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
