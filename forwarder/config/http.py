"""The settings of the HTTP server."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field, SecretStr, field_validator

from forwarder.config.http_addresses import DEFAULT_BIND, Address, addresses_of, texts_of
from forwarder.config.section import Section

# 16 characters of base64 are 96 bits: nobody finds them by trying.
LEAST_TOKEN_CHARACTERS = 16
# Hosts that say so are not looked at.
ANY_HOST = "*"

_TOKEN = re.compile(r"[\x21-\x7e]*")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", re.ASCII)


class HttpSettings(Section):
    """``[http]``: the HTTP server of ``listen``, with health checks, metrics and the dashboard."""

    bind: str | list[str] = Field(
        default=DEFAULT_BIND,
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
        found = addresses_of(bind)
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
        for number, name in enumerate(texts_of(hosts), 1):
            if name != ANY_HOST and not _HOST.fullmatch(name):
                raise ValueError(f"name {number} is no host name; give it alone, without http:// and port")
        return hosts

    @property
    def addresses(self) -> Sequence[Address]:
        """Where the server listens; empty: nowhere."""
        return addresses_of(self.bind)

    @property
    def host_names(self) -> frozenset[str]:
        """The names of ``hosts``, in lower case."""
        return frozenset(name.lower() for name in texts_of(self.hosts))
