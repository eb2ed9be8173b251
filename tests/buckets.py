"""A local S3, as moto makes it, for tests of what is stored there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiobotocore.session import get_session
from moto.server import ThreadedMotoServer

from tests.listening import OPERATOR

BUCKET = "large-changes"


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@asynccontextmanager
async def bucket(url: str) -> AsyncIterator[Any]:
    """A client of an S3 that has the bucket, which is emptied and deleted at the end: moto keeps it as long as the process lives."""
    async with get_session().create_client("s3", region_name="us-east-1", endpoint_url=url, **OPERATOR) as client:
        await client.create_bucket(Bucket=BUCKET)
        yield client
        for stored in (await client.list_objects_v2(Bucket=BUCKET)).get("Contents", ()):
            await client.delete_object(Bucket=BUCKET, Key=stored["Key"])
        await client.delete_bucket(Bucket=BUCKET)
