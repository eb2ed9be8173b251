"""Where the HTTP server listens, as a text says. Pure, and light: the health check of the image reads it too, every few seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_BIND = "127.0.0.1:8080"
MOST_PORTS = 65535

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]*):([0-9]{1,5})", re.ASCII)
# By what those are asked that stand for all addresses of a machine.
_OWN = {None: "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens."""

    # None: every address of this machine, of both families.
    host: str | None
    # 0: any that is free.
    port: int

    def __str__(self) -> str:
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def from_beside(self) -> Address:
        """By which it is asked on the same machine."""
        return Address(host=_OWN.get(self.host, self.host), port=self.port)


def addresses_of(given: str | Sequence[str]) -> Sequence[Address]:
    """The addresses of a list, or of a text with commas; an empty text has none.

    Raises:
        ValueError: one of them is none.
    """
    return [_address(text) for text in texts_of(given)]


def texts_of(given: str | Sequence[str]) -> Sequence[str]:
    """The parts of a list, or of a text with commas; an empty text has none."""
    parts = given.split(",") if isinstance(given, str) else given
    return [] if parts == [""] else [part.strip() for part in parts]


def _address(text: str) -> Address:
    found = _ADDRESS.fullmatch(text)
    if not found:
        raise ValueError("no address with a port; write it as 127.0.0.1:8080, [::1]:8080 or :8080")
    host, port = found[1].strip("[]"), int(found[2])
    if port > MOST_PORTS:
        raise ValueError(f"port {port} is above {MOST_PORTS}")
    return Address(host=None if host in ("", "*") else host, port=port)
