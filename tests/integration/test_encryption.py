"""How a connection is protected is seen at our end of it: by way of a door that speaks TLS, since the PostgreSQL of the tests does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.database.encryption import Encryption, encryption_of
from forwarder.database.sessions import session
from tests.certificates import self_signed
from tests.databases import Database
from tests.support.tls_door import tls_door


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


async def seen(url: str) -> Encryption:
    async with session(url, purpose="tests") as connection:
        return encryption_of(connection)


async def test_what_is_encrypted_and_what_is_checked_is_seen(database: Database, certificate: Path) -> None:
    async with tls_door(database.url, certificate) as door:
        found = {
            mode: await seen(f"{door}?sslmode={mode}&sslrootcert={certificate}")
            for mode in ("verify-ca", "verify-full")
        }
        found["require"] = await seen(f"{door}?sslmode=require")
    found["disable"] = await seen(f"{database.url}?sslmode=disable")
    assert found["disable"].protocol is None
    assert {found[mode].protocol for mode in ("require", "verify-ca", "verify-full")} == {"TLSv1.3"}
    assert {mode: (one.checks_authority, one.checks_name) for mode, one in found.items()} == {
        "disable": (False, False),
        "require": (False, False),
        "verify-ca": (True, False),
        "verify-full": (True, True),
    }
    assert all(one.is_local for one in found.values())
