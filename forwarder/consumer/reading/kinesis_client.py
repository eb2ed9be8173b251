"""The AWS client that reads a stream: where it connects, and how much it takes at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig

from forwarder import __version__
from forwarder.aws.call import aws_call
from forwarder.aws.errors import aws_errors_of_opening
from forwarder.aws.http_session import ReadingSession
from forwarder.aws.session import region_of, require_region, session_of
from forwarder.config.sink_url import KinesisTarget

# An answer may have 10 MiB of data, so this also bounds the memory.
READS_AT_ONCE = 8


@asynccontextmanager
async def kinesis_client(target: KinesisTarget) -> AsyncIterator[Any]:
    """A client for one stream; closes its connections at the end.

    Raises:
        Misconfigured: there is no such region.
        Refused: region, credentials, profile or endpoint are missing or malformed.
    """
    config = AioConfig(
        connect_timeout=3,
        read_timeout=10,
        max_pool_connections=READS_AT_ONCE,
        parameter_validation=False,
        user_agent=f"forwarder/{__version__}",
        # One attempt: the readers of the shards try again.
        retries={"total_max_attempts": 1},
        http_session_cls=ReadingSession,
    )
    with aws_call(f"stream {target.stream}"), aws_errors_of_opening(f"stream {target.stream}"):
        context = session_of(target).create_client(
            "kinesis", region_name=region_of(target), endpoint_url=target.endpoint_url, config=config
        )
        client = await context.__aenter__()
    try:
        require_region(client)
        yield client
    finally:
        await context.__aexit__(None, None, None)
