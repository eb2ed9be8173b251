"""The health check of the image: asks the HTTP server of ``forwarder listen`` in the same container, at the address that the settings give.

    python -P -m forwarder.status.probe

It runs every few seconds, on tasks of a quarter of a core, so it reads its one setting by itself: all settings together take ten times as long.
A file that ``--config`` names is not known here; FORWARDER_CONFIG is. Exit status: 0 alive, or there is nothing to ask; 1 not.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from forwarder.config.http_addresses import DEFAULT_BIND, Address, addresses_of

TIMEOUT_SECONDS = 3.0


def asked(environment: Mapping[str, str], folder: Path) -> Address | None:
    """The first address whose port is known, as it is reached from beside it; None: there is none.

    Raises:
        OSError: the settings file cannot be read.
        ValueError: what is in it is no TOML, or no address.
    """
    bind = _bind(environment, folder)
    if not isinstance(bind, str | list):
        raise ValueError("bind is neither a text nor a list")  # noqa: TRY004 - of settings, not of a caller
    found = addresses_of(bind)
    return next((address.from_beside for address in found if address.port), None)


def _bind(environment: Mapping[str, str], folder: Path) -> Any:
    if "FORWARDER_HTTP_BIND" in environment:
        return environment["FORWARDER_HTTP_BIND"]
    path = folder / environment.get("FORWARDER_CONFIG", "forwarder.toml")
    if "FORWARDER_CONFIG" not in environment and not path.exists():
        return DEFAULT_BIND
    section = tomllib.loads(path.read_text(encoding="utf-8")).get("http", {})
    return section.get("bind", DEFAULT_BIND) if isinstance(section, dict) else section


def is_alive(address: Address) -> bool:
    """Whether it answers that it is. No proxy of the environment is asked, and no token is needed."""
    assert address.host is not None
    connection = HTTPConnection(address.host, address.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """Say in one line what was found."""
    try:
        address = asked(os.environ, Path.cwd())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the settings have no bind in [http] that can be read: {type(error).__name__}\n")
        return 1
    if address is None:
        sys.stdout.write("nothing to ask: bind in [http] is empty, or its port is any\n")
        return 0
    alive = is_alive(address)
    sys.stdout.write(f"{address}: {'alive' if alive else 'no answer, or not 200'}\n")
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main())
