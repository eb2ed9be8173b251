"""Logging in by a secret of Secrets Manager that changes, at a server that asks for the password."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from botocore.exceptions import ClientError

from forwarder.aws import secrets
from forwarder.config.database import DatabaseSettings
from forwarder.database.access import Access, access_by
from forwarder.database.logins import secret as secret_module
from forwarder.database.sessions import session
from forwarder.errors import ForwarderError, Misconfigured, Refused, Unavailable
from forwarder.local.postgres import EmbeddedPostgres
from tests.clusters import Clusters, data_of
from tests.databases import OWNER, connected
from tests.support.ports import free_port
from tests.support.secrets_manager import REGION, Librarian, secrets_manager

HBA = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
OTHER = f"{OWNER}_clone"


@pytest.fixture(scope="module")
def librarian() -> Iterator[Librarian]:
    with secrets_manager() as found:
        yield found


@pytest.fixture
async def server(clusters: Clusters) -> AsyncIterator[EmbeddedPostgres]:
    async with clusters.server() as server:
        (data_of(server) / "pg_hba.conf").write_text(HBA)
        async with connected(server.url()) as superuser:
            await superuser.execute(f"CREATE ROLE {OTHER} LOGIN; SELECT pg_reload_conf()")
        await passwords(server, **{OWNER: "first"})
        yield server


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, librarian: Librarian, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name, value in librarian.variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The secrets that were read, and what was found."""
    found: list[str] = []
    read = secrets.read_secret

    async def counted(name: str, *, region: str | None) -> secrets.SecretText:
        answer = await read(name, region=region)
        found.append(answer.text)
        return answer

    monkeypatch.setattr(secrets, "read_secret", counted)
    return found


async def passwords(server: EmbeddedPostgres, **roles: str) -> None:
    async with connected(server.url()) as superuser:
        for role, password in roles.items():
            await superuser.execute(f"ALTER ROLE {role} PASSWORD '{password}'")


def access(server: EmbeddedPostgres, secret: str, **settings: str) -> Access:
    return access_by(
        DatabaseSettings.model_validate({"auth": "secrets-manager", "secret": secret, **settings}),
        url=f"postgresql://somebody@127.0.0.1:{server.port}/postgres",
    )


async def role_of(address: Access) -> str:
    async with session(address, purpose="tests") as connection:
        return str(await connection.fetchval("SELECT current_user"))


async def refusal(address: Access) -> ForwarderError:
    with pytest.raises(ForwarderError) as error:
        await role_of(address)
    assert "\n" not in str(error.value)
    return error.value


async def test_a_secret_that_changes_is_read_again_once_for_all_sessions(
    server: EmbeddedPostgres, librarian: Librarian, reads: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "forwarder")
    arn = librarian.keep("changing", username=OWNER, password="first")
    ours = access(server, arn)
    for _ in range(2):
        assert await role_of(ours) == OWNER
    assert len(reads) == 1

    # By turns: the other role has the new password, and the first may no longer log in.
    await passwords(server, **{OTHER: "second"})
    librarian.change(arn, username=OTHER, password="second")
    assert await role_of(ours) == OWNER
    await passwords(server, **{OWNER: "gone"})
    found: list[str] = []

    async def open_one() -> None:
        found.append(await role_of(ours))

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(open_one)
    assert found == [OTHER] * 6
    assert len(reads) == 2
    assert [record.message for record in caplog.records if "secret" in record.message] == [
        "the secret has changed, logging in by what it says now"
    ]
    assert "second" not in caplog.text


async def test_while_the_password_is_ahead_of_the_secret_it_is_not_asked_for_in_a_storm(
    server: EmbeddedPostgres, librarian: Librarian, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = librarian.keep("late", username=OWNER, password="first")
    ours = access(server, arn)
    assert await role_of(ours) == OWNER
    await passwords(server, **{OWNER: "second"})
    for _ in range(5):
        error = await refusal(ours)
        assert isinstance(error, Unavailable)
        assert f"see that secret {arn} has the password that the role has" in str(error)
    assert len(reads) == 2

    librarian.change(arn, username=OWNER, password="second")
    monkeypatch.setattr(secret_module, "AGAIN_SECONDS", 0.0)
    assert await role_of(ours) == OWNER


async def test_a_password_that_is_wrong_from_the_start_is_refused(
    server: EmbeddedPostgres, librarian: Librarian
) -> None:
    error = await refusal(access(server, librarian.keep("wrong", username=OWNER, password="hunter2")))
    assert isinstance(error, Refused)
    assert "hunter2" not in str(error)


async def test_a_secret_that_cannot_be_read_is_named_with_the_remedy(
    server: EmbeddedPostgres, librarian: Librarian, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = await refusal(access(server, "nowhere", region=REGION))
    assert isinstance(missing, Refused)
    assert "secret nowhere: ResourceNotFoundException: " in str(missing)
    assert "correct secret or region in [database]" in str(missing)
    assert isinstance(unknown := await refusal(access(server, "nowhere")), Misconfigured)
    assert "secret nowhere: no region is known; name the secret by its ARN" in str(unknown)

    arn = librarian.keep("dropped", username=OWNER, password="first")
    ours = access(server, arn)
    librarian.drop(arn)
    assert "restore it (aws secretsmanager restore-secret)" in str(await refusal(ours))

    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{free_port()}")
    assert isinstance(await refusal(ours), Unavailable)


@pytest.mark.parametrize(
    ("code", "said", "remedy"),
    [
        ("AccessDeniedException", "User: x is not authorized", "allow secretsmanager:GetSecretValue on it, and kms:Decrypt"),
        ("DecryptionFailure", "Secrets Manager can't decrypt", "allow kms:Decrypt on its KMS key"),
        ("ExpiredTokenException", "The security token included in the request is expired", "renew the AWS credentials"),
    ],
)  # fmt: skip
def test_what_secrets_manager_answers_has_its_remedy(code: str, said: str, remedy: str) -> None:
    answer = {"Error": {"Code": code, "Message": said}}
    with pytest.raises(Refused, match=f"secret app: {code}: {said}; {remedy}"), secrets.errors_of_secret("secret app"):
        raise ClientError(answer, "GetSecretValue")


def test_the_text_of_a_secret_is_in_no_repr() -> None:
    assert "hunter2" not in repr(secrets.SecretText(text=json.dumps({"password": "hunter2"}), version="1"))
