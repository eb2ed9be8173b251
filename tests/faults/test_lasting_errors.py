"""What time cannot mend is said at once: it ends a start, and is the trouble of a sink among others, which is tried again slowly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from forwarder.config.settings import Settings, SinkSettings
from forwarder.config.sink_url import KinesisTarget
from forwarder.errors import Refused
from forwarder.health import Phase
from forwarder.listen import service as service_module
from forwarder.listen.service import Service
from forwarder.metrics import Metrics
from forwarder.sinks.kinesis.sink import kinesis_sink
from tests.databases import Database
from tests.ledger import Ledger, write
from tests.listening import complains, leads, listening, running
from tests.support.misbehaving import Answer, Misbehaving, answer, misbehaving
from tests.waiting import eventually

EXPIRED = "The security token included in the request is expired"
SPELLINGS = [
    ("ExpiredTokenException", EXPIRED),
    ("ExpiredToken", "The provided token has expired."),
    ("TokenRefreshRequired", "The provided token must be refreshed."),
    ("UnrecognizedClientException", EXPIRED),
    ("com.amazon.coral.service#ExpiredTokenException", EXPIRED),
    ("SomethingElse", EXPIRED),
]


@pytest.fixture
async def server() -> AsyncIterator[Misbehaving]:
    async with misbehaving() as server:
        yield server


def refusal(code: str = "ExpiredTokenException", text: str = EXPIRED) -> Answer:
    return answer({"__type": code, "message": text}, status=400)


def url_of(server: Misbehaving) -> str:
    return f"kinesis://changes?region=us-east-1&endpoint_url={server.url}"


@pytest.mark.parametrize(("code", "text"), SPELLINGS)
async def test_credentials_that_have_expired_end_a_start_at_once(server: Misbehaving, code: str, text: str) -> None:
    server.always("DescribeStreamSummary", refusal(code, text))
    target = KinesisTarget(stream="changes", region="us-east-1", endpoint_url=server.url)

    async with kinesis_sink(target, max_in_flight=1, metrics=Metrics().sink("default")) as sink:
        with anyio.fail_after(10), pytest.raises(Refused, match="renew the AWS credentials"):
            await sink.prepare()
    assert len(server.asked("DescribeStreamSummary")) == 1


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("IncompleteSignatureException", "check the AWS credentials and this machine's clock"),
        ("SignatureDoesNotMatch", "check the AWS credentials and this machine's clock"),
        ("RequestExpired", "set this machine's clock"),
        ("InvalidClientTokenId", "check the AWS credentials"),
        ("SubscriptionRequiredException", "have the AWS account activated"),
    ],
)
async def test_what_is_wrong_with_the_identity_ends_a_start_with_its_remedy(
    database: Database, server: Misbehaving, code: str, remedy: str
) -> None:
    server.always("DescribeStreamSummary", refusal(code, "no"))
    settings = Settings()
    service = Service(settings, [SinkSettings(url=url_of(server))], database_url=database.url, metrics=Metrics())

    with anyio.fail_after(10), pytest.raises(Refused, match=remedy):
        await service.run()
    assert remedy in (service.states["default"].trouble or "")


async def test_credentials_that_expire_while_it_delivers_are_the_trouble_until_they_are_renewed(
    database: Database, ledger: Ledger, server: Misbehaving
) -> None:
    async with listening(database.url, url_of(server)) as service:
        await leads(service)
        server.always("PutRecords", refusal())
        await write(ledger, database.writer_url, transactions=2)
        await complains(service, "renew the AWS credentials")
        server.behave()
        await eventually(lambda: stored(server))
        # The server has stored them before the listener has read its answer.
        await eventually(lambda: is_ready(service))


async def stored(server: Misbehaving) -> bool:
    return bool(server.stored)


async def is_ready(service: Service) -> bool:
    return service.states["default"].ready


async def test_a_sink_that_is_refused_beside_another_says_why_and_is_tried_again(
    database: Database, server: Misbehaving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "REFUSED_RETRY_SECONDS", 0.2)
    server.always("DescribeStreamSummary", refusal())
    sinks = [SinkSettings(name="stream", url=url_of(server)), SinkSettings(name="file", url=f"file:{tmp_path / 'out'}")]
    service = Service(Settings(), sinks, database_url=database.url, metrics=Metrics())

    async with running(service):
        await complains(service, "renew the AWS credentials")
        server.behave()
        await leads(service)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("kinesis://changes?region=us-east-1&profile=nobodys", "nobodys"),
        ("kinesis://changes?region=us-east-1&role_arn=arn:aws:iam::123456789012:role/r&profile=nobodys", "nobodys"),
        ("kinesis://changes?region=xx-nowhere-1", "xx-nowhere-1"),
        ("kinesis://changes?region=xx-nowhere-1&oversize=s3://large/p", "xx-nowhere-1"),
        ("kinesis://changes?region=us-east-1&endpoint_url=http://[::1", "endpoint_url"),
        ("file:/proc/nobody/changes", "/proc/nobody"),
        (f"file:/tmp/{'x' * 300}", "too long"),
        ("file:/", "directory"),
    ],
)
async def test_a_sink_that_cannot_be_opened_beside_another_says_why(
    database: Database, tmp_path: Path, url: str, reason: str
) -> None:
    sinks = [
        SinkSettings(name="stream", url=url),
        SinkSettings(name="file", url=f"file:{tmp_path / 'out'}"),
    ]
    service = Service(Settings(), sinks, database_url=database.url, metrics=Metrics())

    async with running(service):
        await complains(service, reason)
        await eventually(lambda: file_leads(service))


async def file_leads(service: Service) -> bool:
    return service.states["file"].phase is Phase.LEADING


async def test_what_is_waited_for_at_start_is_the_trouble_meanwhile(database: Database, server: Misbehaving) -> None:
    server.always("DescribeStreamSummary", answer({"__type": "InternalFailure", "message": "not now"}, status=500))
    async with listening(database.url, url_of(server)) as service:
        await complains(service, "InternalFailure: not now")
        server.behave()
        await leads(service)
        assert service.states["default"].ready
