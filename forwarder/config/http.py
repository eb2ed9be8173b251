"""The settings of the HTTP server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field, SecretStr, field_validator

from forwarder.config.section import Section

MOST_PORTS = 65535
# 16 characters of base64 are 96 bits: nobody finds them by trying.
LEAST_TOKEN_CHARACTERS = 16
# Hosts that say so are not looked at.
ANY_HOST = "*"

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]*):([0-9]{1,5})", re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]*")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", re.ASCII)


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


class HttpSettings(Section):
    """``[http]``: the HTTP server of ``listen``, with health checks, metrics and the dashboard."""

    bind: str | list[str] = Field(
        default="127.0.0.1:8080",
        description="Address and port, or a list of them; :8080 is port 8080 of every address. Empty for no HTTP server. In the variable "
        "commas stand between several. Nothing that it tells has a row's values in it.",
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        description="What a client has to send as `Authorization: Bearer TOKEN`, for all but the health checks and the dashboard's own files, which "
        "say nothing; the dashboard asks for it. 16 characters or more. Not given: who reaches the port may read. There is no TLS: without "
        "a proxy that speaks it the network can read the token.",
    )
    hosts: str | list[str] = Field(
        default=[],
        description="Names by which browsers and Prometheus reach the server, such as forwarder.example.com. IP addresses, names "
        "without a dot, and names below localhost, local, internal and home.arpa need not be listed. `*` allows any name, and so any web "
        "site that somebody beside the server visits may read what it tells. In the variable commas stand between several.",
    )
    ready_when_stuck: bool = Field(
        default=False,
        description="Whether /readyz says 200 though a sink cannot be delivered to. Where the answer decides which task is replaced, "
        "that helps no stuck sink and interrupts the others.",
    )

    @field_validator("bind")
    @classmethod
    def _addresses_are_sound(cls, bind: str | list[str]) -> str | list[str]:
        found = [_address(text) for text in _texts(bind)]
        for number, address in enumerate(found):
            if address.port and address in found[:number]:
                raise ValueError(f"address {number + 1} stands there already; leave one out")
        return bind

    @field_validator("token")
    @classmethod
    def _token_is_sound(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value()
        if text and (len(text) < LEAST_TOKEN_CHARACTERS or not _TOKEN.fullmatch(text)):
            raise ValueError(
                f"a token has {LEAST_TOKEN_CHARACTERS} characters or more of ASCII, without blanks; `openssl rand -hex 16` makes one"
            )
        return token

    @field_validator("hosts")
    @classmethod
    def _hosts_are_sound(cls, hosts: str | list[str]) -> str | list[str]:
        for number, name in enumerate(_texts(hosts), 1):
            if name != ANY_HOST and not _HOST.fullmatch(name):
                raise ValueError(f"name {number} is no host name; give it alone, without http:// and port")
        return hosts

    @property
    def addresses(self) -> Sequence[Address]:
        """Where the server listens; empty: nowhere."""
        return [_address(text) for text in _texts(self.bind)]

    @property
    def host_names(self) -> frozenset[str]:
        """The names of ``hosts``, in lower case."""
        return frozenset(name.lower() for name in _texts(self.hosts))


def _texts(given: str | list[str]) -> Sequence[str]:
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
