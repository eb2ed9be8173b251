"""Logging in by tokens of IAM, at a door that takes those that RDS would take, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import botocore.auth
import pytest

from forwarder.config.database import DatabaseSettings
from forwarder.database.access import Access, access_by
from forwarder.database.encryption import encryption_of
from forwarder.database.sessions import session
from forwarder.errors import Refused, Unavailable
from tests.certificates import self_signed
from tests.databases import OWNER, Database
from tests.support.ports import free_port
from tests.support.tls_door import TokenPorter, tls_door

ENDPOINT = "app.c9akciq32.eu-west-1.rds.amazonaws.com"
SECRET_KEY = "the secret key"


@pytest.fixture
def porter() -> TokenPorter:
    return TokenPorter(endpoint=f"{ENDPOINT}:5432", region="eu-west-1", secret_key=SECRET_KEY)


@pytest.fixture
async def door(database: Database, porter: TokenPorter, tmp_path: Path) -> AsyncIterator[str]:
    async with tls_door(database.url, self_signed(tmp_path), porter) as url:
        yield url


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOURS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


def access(url: str, endpoint: str = f"{ENDPOINT}:5432") -> Access:
    return access_by(DatabaseSettings(auth="rds-iam", iam_endpoint=endpoint), url=url)


async def lets_in(address: Access) -> None:
    async with session(address, purpose="tests") as connection:
        assert await connection.fetchval("SELECT current_user") == OWNER
        assert encryption_of(connection).protocol == "TLSv1.3"


async def test_each_connection_has_a_token_of_its_own_which_ends_after_a_quarter_of_an_hour(
    door: str, porter: TokenPorter, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = access(door)
    await lets_in(ours)
    later = datetime.now(UTC) + timedelta(minutes=16)
    porter.now = lambda: later
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: later)
    await lets_in(ours)

    (first, _), *_, (last, _) = porter.shown
    assert {problem for _, problem in porter.shown} == {None}
    assert porter.problem(first, OWNER) == "too old"
    assert porter.problem(last, OWNER) is None


async def test_a_token_that_is_refused_says_what_to_see_to(
    door: str, porter: TokenPorter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused) as error:
        await lets_in(access(door, "alias.example.eu-west-1.rds.amazonaws.com:5432"))
    assert 'PAM authentication failed for user "app_owner"; grant rds_iam to the role' in str(error.value)
    assert porter.shown[-1][1] == "another endpoint"
    assert "X-Amz" not in str(error.value)

    # Once it was right, it may be so again.
    ours = access(door)
    await lets_in(ours)
    porter.now = lambda: datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(Unavailable, match="PAM authentication failed"):
        await lets_in(ours)


async def test_without_credentials_no_token_is_made(door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Refused, match=r"a token for the database: .*give the task a role"):
        await lets_in(access(door))


async def test_each_of_several_hosts_is_shown_a_token_for_itself(database: Database, tmp_path: Path) -> None:
    porter = TokenPorter(endpoint="", region="eu-west-1", secret_key=SECRET_KEY)
    async with tls_door(database.url, self_signed(tmp_path), porter) as door:
        port = urlsplit(door).port
        porter.endpoint = f"127.0.0.1:{port}"
        hosts = door.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()},127.0.0.1:{port}")
        await lets_in(access_by(DatabaseSettings(auth="rds-iam", region="eu-west-1"), url=hosts))
    assert {problem for _, problem in porter.shown} == {None}
