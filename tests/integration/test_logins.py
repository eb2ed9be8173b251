"""Where the password of a session comes from, by a server that asks for it, and what is said when it is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from forwarder.config.database import DatabaseSettings
from forwarder.database.access import Access, DatabaseAddress, access_by
from forwarder.database.sessions import session
from forwarder.errors import ForwarderError, Misconfigured, Refused, Unavailable
from forwarder.local.postgres import EmbeddedPostgres
from tests.clusters import Clusters, data_of
from tests.databases import OWNER, connected

HBA = f"local all all trust\nhost all {OWNER} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
PASSWORD = "corr:ect horse\\"
NOT_IT = "hunter2"


@pytest.fixture
async def server(clusters: Clusters) -> AsyncIterator[EmbeddedPostgres]:
    """One where the owner of the databases has a password."""
    async with clusters.server() as server:
        (data_of(server) / "pg_hba.conf").write_text(HBA)
        await set_password(server, PASSWORD)
        yield server


async def set_password(server: EmbeddedPostgres, password: str) -> None:
    quoted = password.replace("'", "''")
    async with connected(server.url()) as superuser:
        await superuser.execute(f"SET standard_conforming_strings = on; ALTER ROLE {OWNER} PASSWORD '{quoted}'")
        await superuser.execute("SELECT pg_reload_conf()")


async def lets_in(address: DatabaseAddress) -> None:
    async with session(address, purpose="tests") as connection:
        assert await connection.fetchval("SELECT current_user") == OWNER


async def refusal(address: DatabaseAddress) -> ForwarderError:
    with pytest.raises(ForwarderError) as error:
        await lets_in(address)
    text = str(error.value)
    assert "\n" not in text
    assert NOT_IT not in text
    assert PASSWORD not in text
    return error.value


def by_file(server: EmbeddedPostgres, path: Path) -> Access:
    return access_by(DatabaseSettings(password_file=path), url=server.url(user=OWNER))


async def test_a_password_file_is_read_at_each_connect(server: EmbeddedPostgres, tmp_path: Path) -> None:
    file = tmp_path / "password"
    access = by_file(server, file)

    assert isinstance(missing := await refusal(access), Misconfigured)
    assert f"cannot read {file}" in str(missing)
    file.write_text("two\nlines\n")
    assert "more than one line" in str(await refusal(access))
    file.write_text(NOT_IT)
    assert isinstance(wrong := await refusal(access), Refused)
    assert f"check the user in FORWARDER_DATABASE_URL and the password in {file} (password_file)" in str(wrong)
    file.write_text(f"{PASSWORD}\n")
    await lets_in(access)

    # Once it was right, a wrong one means that somebody is changing it.
    file.write_text(NOT_IT)
    assert isinstance(await refusal(access), Unavailable)
    file.unlink()
    assert isinstance(await refusal(access), Unavailable)
    file.write_text(NOT_IT)
    await set_password(server, NOT_IT)
    await lets_in(access)


async def test_the_places_of_libpq_are_looked_into_in_its_order(
    server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url(user=OWNER)
    assert "check the user and the password in FORWARDER_DATABASE_URL" in str(await refusal(url))

    passfile = tmp_path / ".pgpass"
    passfile.write_text(f"127.0.0.1:{server.port}:postgres:{OWNER}:corr\\:ect horse\\\\\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert f"{passfile} is ignored, since others than its owner may use it" in str(await refusal(url))
    passfile.chmod(0o600)
    await lets_in(url)
    # Of two places each has a password of its own.
    (tmp_path / "both").write_text(f"localhost:1:*:*:{NOT_IT}\n{passfile.read_text()}")
    (tmp_path / "both").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "both"))
    await lets_in(url.replace("127.0.0.1", "localhost:1,127.0.0.1"))

    monkeypatch.setenv("PGPASSWORD", NOT_IT)
    assert "the password in PGPASSWORD" in str(await refusal(url))
    service = tmp_path / "services"
    service.write_text(
        f"[shop]\nhost=127.0.0.1\nport={server.port}\ndbname=postgres\nuser={OWNER}\npassword={PASSWORD}\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    await lets_in("postgresql://?service=shop")
    assert isinstance(await refusal(f"postgresql://{OWNER}:{NOT_IT}@/?service=shop"), Refused)


async def test_a_password_in_the_url_and_a_password_file_contradict_each_other(tmp_path: Path) -> None:
    settings = DatabaseSettings(password_file=tmp_path / "password")
    with pytest.raises(Misconfigured, match="there is a password in FORWARDER_DATABASE_URL, and password_file"):
        access_by(settings, url=f"postgresql://app:{NOT_IT}@db.example/app")
