"""The AWS client of a stream: where it connects, how long it waits, and that it tries once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig

from forwarder import __version__
from forwarder.aws.call import aws_call
from forwarder.aws.errors import aws_errors_of_opening
from forwarder.aws.http_session import ReadingSession, StraightSession
from forwarder.aws.session import region_of, require_region, session_of
from forwarder.config.sink_url import KinesisTarget


@asynccontextmanager
async def kinesis_client(target: KinesisTarget, *, max_connections: int, reads: bool = False) -> AsyncIterator[Any]:
    """A client for one stream; closes its connections at the end. ``reads``: its answers may be as large as those with records are.

    Raises:
        Misconfigured: there is no such region.
        Refused: region, credentials, profile or endpoint are missing or malformed.
    """
    config = AioConfig(
        connect_timeout=3,
        read_timeout=10,
        max_pool_connections=max_connections,
        parameter_validation=False,
        # A fixed one: botocore's own is put together anew for every request, at 0.1 ms.
        user_agent=f"forwarder/{__version__}",
        # One attempt: whoever calls it tries again, and knows what is worth that.
        retries={"total_max_attempts": 1},
        http_session_cls=ReadingSession if reads else StraightSession,
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
