"""TLS with a real PostgreSQL: what is checked, and what is said when a check fails: one line, with the remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from forwarder.database import connection_target
from forwarder.database.encryption import encryption_of
from forwarder.database.sessions import session
from forwarder.errors import ForwarderError, Misconfigured, Refused
from tests.certificates import DAY, HOUR, Authority, Issued
from tests.conftest import memory_disk
from tests.tls import TlsServer, tls_binaries, tls_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
async def tls(tmp_path_factory: pytest.TempPathFactory, postgres_binaries: Path | None) -> AsyncIterator[TlsServer]:
    binaries = tls_binaries(postgres_binaries)
    async with tls_server(tmp_path_factory.mktemp("tls"), binaries, parent=memory_disk()) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_settings_of_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLMODE", raising=False)


async def lets_in(url: str) -> tuple[str, bool, bool]:
    """The protocol, and whether authority and name are checked."""
    async with session(url, purpose="tests") as connection:
        found = encryption_of(connection)
        return str(found.protocol), found.checks_authority, found.checks_name


async def refusal(url: str, kind: type[ForwarderError] = Refused) -> str:
    with pytest.raises(ForwarderError) as error:
        await lets_in(url)
    assert isinstance(error.value, kind), error.value
    assert "\n" not in str(error.value)
    assert "_ssl.c" not in str(error.value)
    return str(error.value)


async def test_every_mode_of_libpq_is_followed(tls: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tls.authority.certificate
    found = {
        mode: await lets_in(tls.url("app", sslmode=mode, sslrootcert=root))
        for mode in ("allow", "prefer", "verify-ca", "verify-full")
    }
    found["require"] = await lets_in(tls.url("app", sslmode="require"))
    unchecked = ("TLSv1.3", False, False)
    assert found == {
        **dict.fromkeys(("allow", "prefer", "require"), unchecked),
        "verify-ca": ("TLSv1.3", True, False),
        "verify-full": ("TLSv1.3", True, True),
    }
    hostssl = await refusal(tls.url("app", sslmode="disable"))
    assert "no encryption; the server wants TLS: set sslmode=verify-full, and for RDS sslrootcert=rds" in hostssl
    assert "pg_hba.conf" in await refusal(tls.url("nobody", sslmode="prefer"))

    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    assert await lets_in(tls.url("app", sslrootcert="system")) == found["verify-full"]
    monkeypatch.setattr(connection_target, "RDS_BUNDLE", root)
    assert await lets_in(tls.url("app", sslrootcert="rds")) == found["verify-full"]
    assert await lets_in(tls.url("app", sslrootcert="rds", sslmode="verify-ca")) == found["verify-ca"]


async def test_a_bundle_that_is_not_there_says_where_to_get_it(tls: TlsServer) -> None:
    said = await refusal(tls.url("app", sslrootcert="rds"), Misconfigured)
    assert "cannot read the file" in said
    assert "get https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem, and put it there" in said


async def test_a_certificate_that_is_not_good_is_named_with_its_remedy(tls: TlsServer, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    good = tls.authority.issue("good", "127.0.0.1")
    full = tls.url("app", sslmode="verify-full", sslrootcert=tls.authority.certificate)
    cases: tuple[tuple[Issued, str, str, str], ...] = (
        (good, tls.url("app", sslmode="verify-full", sslrootcert=other.certificate), "self-signed", "sslrootcert=rds"),
        (tls.authority.issue("alias", "db.example"), full, "not valid for '127.0.0.1'", "sslmode=verify-ca"),
        (tls.authority.issue("old", "127.0.0.1", ends_in=-HOUR), full, "has expired", "have the server's certificate renewed"),
        (tls.authority.issue("new", "127.0.0.1", ends_in=10 * DAY), full, "not yet valid", "this machine's clock is right"),
        (good, f"{full}&sslcrl={tls.authority.revoke(good)}", "revoked", "have the server's certificate renewed"),
        (good, f"{full}&sslcrl={other.revoke()}", "unable to get certificate CRL", "leave sslcrl out"),
    )  # fmt: skip
    for shown, url, what, remedy in cases:
        await tls.shows(shown)
        said = await refusal(url)
        assert "the server's certificate: " in said
        assert what in said
        assert remedy in said
    await tls.shows(good)
    await lets_in(full)


async def test_a_certificate_of_ours_that_the_server_wants(tls: TlsServer, tmp_path: Path) -> None:
    root = tls.authority.certificate
    (tmp_path / "others").mkdir()
    stranger = Authority(tmp_path / "others", "other").issue("certified")
    ours, old = tls.authority.issue("certified"), tls.authority.issue("late", ends_in=-HOUR)
    locked = tls.authority.issue("locked", passphrase="hunter2")

    def url(user: str, issued: Issued, **more: object) -> str:
        files = {"sslcert": issued.certificate, "sslkey": issued.key}
        return tls.url(user, **{"sslmode": "verify-full", "sslrootcert": root, **files, **more})

    await lets_in(url("certified", ours))
    await lets_in(url("needs_certificate", locked, sslpassword="hunter2"))
    for attempt, remedy in (
        (tls.url("certified", sslmode="require"), "the server wants a certificate of ours: name its file as sslcert"),
        (url("certified", locked, sslpassword="hunter2"), "is for another role"),
        (url("certified", stranger), "check sslcert: the server wants one by an authority that it trusts"),
        (url("certified", old), "check sslcert"),
        (url("certified", ours, sslkey=old.key), "sslkey is not the key of sslcert"),
        (url("certified", locked, sslpassword="wrong"), "sslpassword, the key's passphrase"),
        (url("certified", ours, sslrootcert=ours.key), "sslrootcert or sslcrl has no certificate or list in it"),
    ):
        assert remedy in await refusal(attempt)
    missing = await refusal(url("certified", ours, sslcert=tmp_path / "gone"), Misconfigured)
    assert f"parameter sslcert of the database's address: cannot read the file {tmp_path}/gone" in missing


async def test_versions_of_tls_that_have_none_in_common(tls: TlsServer) -> None:
    good = tls.authority.issue("good", "127.0.0.1")
    await tls.shows(good, ssl_max_protocol_version="TLSv1.2")
    url = tls.url("app", sslmode="verify-full", sslrootcert=tls.authority.certificate)
    assert (await lets_in(url))[0] == "TLSv1.2"
    assert "check ssl_min_protocol_version" in await refusal(f"{url}&ssl_min_protocol_version=TLSv1.3")
    # In TLS 1.2 the certificate of ours is refused before the session seems to be open.
    stranger = Authority(tls.authority.certificate.parent, "strange").issue("strange")
    assert "check sslcert" in await refusal(f"{url}&sslcert={stranger.certificate}&sslkey={stranger.key}")
    await tls.shows(good, ssl_max_protocol_version="")
