"""Proxies, authorities, FIPS and other endpoints: the requests that we sign ourselves go the way that botocore's own go.

The hosts are AWS's, and the certificates are of an authority of the tests: a proxy of the tests leads to a local server in their place.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from forwarder.config import sink_url
from forwarder.config.sink_url import KinesisTarget
from forwarder.errors import Refused, Unavailable
from forwarder.metrics import Metrics
from forwarder.records.record import Record
from forwarder.sinks.kinesis.sink import kinesis_sink
from tests.certificates import Authority
from tests.listening import CREDENTIALS
from tests.support.misbehaving import Misbehaving, answer, misbehaving
from tests.support.tls_door import pump

PLAIN, FIPS = "kinesis.us-east-1.amazonaws.com", "kinesis-fips.us-east-1.amazonaws.com"
VPC_ENDPOINT = "vpce-1.kinesis.us-east-1.vpce.amazonaws.com"
PASSWORD = "pr0xy-s3cret"
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY")
WOULD_SUCCEED = {"__type": "DryRunOperationException", "message": "Request would have succeeded."}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials, and no proxy, authority or settings of whoever runs the tests."""
    for name in (*PROXIES, *map(str.lower, PROXIES), "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_USE_FIPS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "company")


@pytest.fixture
async def kinesis(authority: Authority, tmp_path: Path) -> AsyncIterator[Misbehaving]:
    """A local Kinesis that speaks TLS, as AWS's hosts and as this machine."""
    issued = authority.issue("kinesis", PLAIN, FIPS, VPC_ENDPOINT, "127.0.0.1")
    both = tmp_path / "kinesis.pem"
    both.write_bytes(issued.key.read_bytes() + issued.certificate.read_bytes())
    async with misbehaving(both) as server:
        yield server


class ConnectProxy:
    """A proxy that tunnels to one port, whatever host it is asked for; or refuses, with a status."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.refuses: bytes | None = None
        # Whom it was asked to connect to, and as whom.
        self.asked: list[tuple[str, str | None]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            method, host, _ = first.split()
            assert method == "CONNECT"
            self.asked.append((host, headers.get("proxy-authorization")))
            if self.refuses:
                writer.write(b"HTTP/1.1 " + self.refuses + b"\r\nContent-Length: 0\r\n\r\n")
                writer.close()
                return
            behind, ahead = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pump, reader, ahead)
                tasks.start_soon(pump, behind, writer)


@asynccontextmanager
async def connect_proxy(kinesis: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ConnectProxy]:
    """Such a proxy, named by HTTPS_PROXY with a user and a password, for the length of a block."""
    proxy = ConnectProxy(int(kinesis.url.rpartition(":")[2]))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://forwarder:{PASSWORD}@127.0.0.1:{port}")
    try:
        yield proxy
    finally:
        server.close()


def target_of(url: str) -> KinesisTarget:
    target = sink_url.parse(url).target
    assert isinstance(target, KinesisTarget)
    return target


async def deliver(url: str, *keys: str) -> None:
    """Send a record for each key, by the requests that we sign ourselves."""
    async with kinesis_sink(target_of(url), max_in_flight=2, metrics=Metrics().sink("default")) as sink:
        await sink.prepare()
        assert sink._put._posts
        for seq, key in enumerate(keys):
            assert not await sink.publish([Record(seq, key, b"{}", set())])


async def test_all_requests_go_through_the_proxy_to_the_host_that_the_settings_mean(
    kinesis: Misbehaving, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.certificate))
    login = f"Basic {base64.b64encode(f'forwarder:{PASSWORD}'.encode()).decode()}"
    async with connect_proxy(kinesis, monkeypatch) as proxy:
        for number, (url, host) in enumerate(
            (
                ("kinesis://changes?region=us-east-1", PLAIN),
                ("kinesis://changes?region=us-east-1&fips=true", FIPS),
                (f"kinesis://changes?region=us-east-1&endpoint_url=https://{VPC_ENDPOINT}", VPC_ENDPOINT),
            )
        ):
            proxy.asked.clear()
            kinesis.requests.clear()
            # AWS is asked at start whether we may write.
            kinesis.next("PutRecords", answer(WOULD_SUCCEED, status=400))
            await deliver(url, f"{number}a", f"{number}b")
            assert set(proxy.asked) == {(f"{host}:443", login)}
            assert {request.headers["host"] for request in kinesis.requests} == {host}
            assert kinesis.asked("PutRecords")[-1].is_cbor
    assert kinesis.stored == ["0a", "0b", "1a", "1b", "2a", "2b"]


async def test_hosts_of_no_proxy_are_spoken_to_directly(
    kinesis: Misbehaving, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.certificate))
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    async with connect_proxy(kinesis, monkeypatch) as proxy:
        await deliver(f"kinesis://changes?region=us-east-1&endpoint_url={kinesis.url}", "a", "b")
    assert not proxy.asked
    assert kinesis.stored == ["a", "b"]


async def test_an_authority_that_is_not_named_is_refused_with_the_variable_that_names_it(
    kinesis: Misbehaving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"kinesis://changes?region=us-east-1&endpoint_url={kinesis.url}"
    for named in (None, Authority(tmp_path, "somebody-else").certificate):
        if named:
            monkeypatch.setenv("AWS_CA_BUNDLE", str(named))
        with pytest.raises(
            Refused, match=r"CERTIFICATE_VERIFY_FAILED.*name the authority's certificate by AWS_CA_BUNDLE"
        ):
            await deliver(url)
    assert not kinesis.requests


async def test_a_proxy_that_refuses_is_told_in_a_line_without_its_password(
    kinesis: Misbehaving, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.certificate))
    async with connect_proxy(kinesis, monkeypatch) as proxy:
        target = target_of("kinesis://changes?region=us-east-1")
        async with kinesis_sink(target, max_in_flight=1, metrics=Metrics().sink("default")) as sink:
            for status in (b"407 Proxy Authentication Required", b"403 Forbidden", b"502 Bad Gateway"):
                proxy.refuses = status
                with pytest.raises(Unavailable, match=r"stream changes: .*proxy") as raised:
                    await sink.publish([Record(0, "a", b"{}", set())])
                assert PASSWORD not in str(raised.value)
                assert "\n" not in str(raised.value)
    assert not kinesis.requests
