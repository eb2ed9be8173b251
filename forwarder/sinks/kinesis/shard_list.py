"""Asks a stream for its open shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from forwarder.aws.call import aws_call
from forwarder.errors import Unavailable
from forwarder.sinks.kinesis import wire

# More than any stream has: an endpoint that lists so many would never come to an end.
MAX_SHARDS = 100_000


class ShardList:
    """The open shards of one stream, as ListShards tells them."""

    def __init__(self, client: Any, stream: str) -> None:
        self._client = client
        self._stream = stream

    async def read(self) -> Sequence[Mapping[str, Any]]:
        """The shards of this moment, as botocore gives them. What an odd answer has in their place may be anything.

        Raises:
            Refused, Unavailable: we may not list them, or nobody answers in time.
        """
        shards: list[Mapping[str, Any]] = []
        page: dict[str, Any] = {**wire.naming(self._stream), "ShardFilter": {"Type": "AT_LATEST"}}
        # An odd answer may have no Shards, or pages without end.
        with aws_call(f"stream {self._stream}"):
            while page:
                answer = await self._client.list_shards(**page)
                shards += answer["Shards"]
                if len(shards) > MAX_SHARDS:
                    raise Unavailable(f"stream {self._stream}: more than {MAX_SHARDS} shards are listed")
                page = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else {}
        return shards
