"""Each place that a task, a pod, a machine or a person has credentials from: they are taken, and renewed ahead of their end while it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import botocore.credentials
import botocore.tokens
import pytest

from forwarder.aws import credentials_renewal
from forwarder.aws.credentials_source import source_of
from forwarder.config.sink_url import KinesisTarget
from forwarder.health import ServiceState
from forwarder.metrics import Metrics
from forwarder.records.record import Record
from forwarder.sinks.kinesis.sink import KinesisSink, kinesis_sink
from tests.support.misbehaving import Answer, Misbehaving, answer, misbehaving
from tests.waiting import eventually

ROLE = "arn:aws:iam::123456789012:role/forwarder"
Give = Callable[[str, float], None]


def _end(minutes: float) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def _plain(key: str, minutes: float) -> Answer:
    """As the endpoints of containers and machines answer."""
    end = f"{_end(minutes):%Y-%m-%dT%H:%M:%SZ}"
    members = {"AccessKeyId": key, "SecretAccessKey": "secret", "Token": "token", "Expiration": end}
    return answer({"Code": "Success", **members})


def of_a_container(server: Misbehaving, patch: pytest.MonkeyPatch, directory: Path) -> Give:
    """EKS Pod Identity: the address, and a token in a file. ECS has a relative address in place of it."""
    (directory / "token").write_text("the pod's token")
    patch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/v1/credentials")
    patch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(directory / "token"))
    return lambda key, minutes: server.always("GET /v1/credentials", _plain(key, minutes))


def of_a_web_identity(server: Misbehaving, patch: pytest.MonkeyPatch, directory: Path) -> Give:
    """IRSA: a token of the cluster is changed for credentials at STS."""
    (directory / "identity").write_text("the cluster's token")
    patch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(directory / "identity"))
    patch.setenv("AWS_ROLE_ARN", ROLE)
    patch.setenv("AWS_ENDPOINT_URL_STS", server.url)

    def give(key: str, minutes: float) -> None:
        text = (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>'
            f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>"
            f"<Expiration>{_end(minutes):%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
        server.always("POST /", Answer(body=text.encode()))

    return give


def of_a_machine(server: Misbehaving, patch: pytest.MonkeyPatch, _: Path) -> Give:
    """An instance profile: the metadata of EC2, which wants a token of its own first."""
    patch.delenv("AWS_EC2_METADATA_DISABLED", raising=False)
    patch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
    roles = "/latest/meta-data/iam/security-credentials/"
    server.always("PUT /latest/api/token", Answer(body=b"the machine's token"))
    server.always(f"GET {roles}", Answer(body=b"forwarder"))
    return lambda key, minutes: server.always(f"GET {roles}forwarder", _plain(key, minutes))


def of_a_person(server: Misbehaving, patch: pytest.MonkeyPatch, directory: Path) -> Give:
    """SSO: `aws sso login` has left a token, which is changed for credentials."""
    cache = directory / "cache"
    cache.mkdir()
    for provider in (botocore.credentials.SSOProvider, botocore.tokens.SSOTokenProvider):
        patch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(cache))
    patch.setenv("AWS_ENDPOINT_URL_SSO", server.url)
    patch.setenv("AWS_CONFIG_FILE", str(directory / "config"))
    (directory / "config").write_text(
        "[default]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = forwarder\n"
        "[sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n"
    )
    token = {"accessToken": "the person's token", "expiresAt": f"{_end(600):%Y-%m-%dT%H:%M:%SZ}"}
    (cache / f"{hashlib.sha1(b'work', usedforsecurity=False).hexdigest()}.json").write_text(json.dumps(token))

    def give(key: str, minutes: float) -> None:
        members = {"accessKeyId": key, "secretAccessKey": "secret", "sessionToken": "token"}
        found = {"roleCredentials": {**members, "expiration": int(_end(minutes).timestamp() * 1000)}}
        server.always(
            "GET /federation/credentials?role_name=forwarder&account_id=123456789012",
            Answer(body=json.dumps(found).encode()),
        )

    return give


SOURCES = {
    "container-role": of_a_container,
    "assume-role-with-web-identity": of_a_web_identity,
    "iam-role": of_a_machine,
    "sso": of_a_person,
}


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Misbehaving]:
    """A stream, and whatever gives out credentials; nobody else does."""
    async with misbehaving() as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, str(tmp_path / name))
        yield server


async def signed_by(server: Misbehaving, sink: KinesisSink) -> str:
    assert not await sink.publish([Record(1, "key", b"data", {1})])
    authorization = server.asked("PutRecords")[-1].headers["authorization"]
    return authorization.partition("Credential=")[2].partition("/")[0]


@pytest.mark.parametrize("method", SOURCES)
async def test_credentials_of_each_source_are_renewed_ahead_of_their_end(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str
) -> None:
    # botocore gives those of a machine up to twenty minutes, although they end sooner.
    monkeypatch.setattr(credentials_renewal, "AHEAD_SECONDS", 25 * 60)
    give = SOURCES[method](server, monkeypatch, tmp_path)
    give("OLD", 14)
    target = KinesisTarget(stream="changes", region="us-east-1", endpoint_url=server.url)
    async with kinesis_sink(target, max_in_flight=2, metrics=Metrics().sink("default")) as sink:
        await sink.prepare()
        assert await signed_by(server, sink) == "OLD"
        source = await source_of(sink._put._client, "stream changes")
        assert source is not None
        assert (source.method, source.is_temporary, source.is_renewed) == (method, True, True)
        give("NEW", 60)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.watch, ServiceState())

            async def renewed() -> bool:
                return await signed_by(server, sink) == "NEW"

            await eventually(renewed)
            tasks.cancel_scope.cancel()
