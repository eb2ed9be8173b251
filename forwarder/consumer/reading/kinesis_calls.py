"""The three calls that read a stream, each tried again as long as that may help."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import anyio
from botocore.exceptions import ClientError

from forwarder.aws.call import LEAST_BYTES_PER_SECOND, aws_call
from forwarder.aws.errors import code_of
from forwarder.backoff import Backoff
from forwarder.errors import Unavailable

# An answer may have 10 MiB of data, so this also bounds the memory.
READS_AT_ONCE = 8

_FIRST_ATTEMPTS = 3
_EXPIRED = "ExpiredIteratorException"
# Some 12 seconds after the first. Until then it may be the rate of the shard: it gives 2 MiB a second, and one answer may have 10.
_REPORTED_ATTEMPT = 6
# An answer with 10 MiB of data is granted as much more time as an upload of that size would be.
_GRANTED_BYTES = 10 * LEAST_BYTES_PER_SECOND

T = TypeVar("T")


class KinesisCalls:
    """Calls about one stream, which is named by its name or its ARN.

    A throttle and whatever else may pass is waited for, for 0.5 seconds first and 10 at most, ``attempts`` times in a row, or for ever if that
    is None. An endpoint that has never answered is asked three times: its address is wrong, as a rule. ``report`` is told why.
    """

    def __init__(self, client: Any, stream: str, *, attempts: int | None, report: Callable[[str], None]) -> None:
        self._client = client
        self._what = f"stream {stream}"
        self._name = {"StreamARN" if stream.startswith("arn:") else "StreamName": stream}
        self._arn = {name: value for name, value in self._name.items() if name == "StreamARN"}
        self._attempts = attempts
        self._report = report
        self._has_answered = False
        self._limiter = anyio.CapacityLimiter(READS_AT_ONCE)

    async def list_shards(self) -> list[Mapping[str, Any]]:
        """All shards that the stream has records of, closed ones too.

        Raises:
            Refused: there is no such stream, or it may not be read.
            Unavailable: it does not answer. So do the others.
        """
        shards: list[Mapping[str, Any]] = []
        names: Mapping[str, Any] = self._name
        while names:
            answer = await self._patiently(partial(self._client.list_shards, **names))
            shards += answer["Shards"]
            token = answer.get("NextToken")
            names = {"NextToken": token} if token else {}
        return shards

    async def iterator(self, shard: str, position: Mapping[str, Any]) -> str | None:
        """An iterator of a shard; ``position`` has its type, and what belongs to that."""
        ask = partial(self._client.get_shard_iterator, **self._name, ShardId=shard, **position)
        answer = await self._patiently(ask)
        iterator: str | None = answer.get("ShardIterator")
        return iterator

    async def get_records(self, iterator: str) -> Mapping[str, Any] | None:
        """What is there from an iterator on; None if the iterator has expired."""

        async def read() -> Mapping[str, Any] | None:
            try:
                answer: Mapping[str, Any] = await self._client.get_records(**self._arn, ShardIterator=iterator)
            except ClientError as error:
                if code_of(error) == _EXPIRED:
                    return None
                raise
            return answer

        return await self._patiently(read)

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        backoff = Backoff(first_seconds=0.5, max_seconds=10.0)
        attempt = 1
        while True:
            try:
                async with self._limiter:
                    with aws_call(self._what, sent_bytes=_GRANTED_BYTES):
                        answer = await call()
                self._has_answered = True
                return answer
            except Unavailable as error:
                if not self._has_answered and attempt == _FIRST_ATTEMPTS:
                    raise Unavailable(f"{error}; check region and endpoint_url in the URL, and the network") from error
                if attempt == self._attempts:
                    raise
                if attempt >= _REPORTED_ATTEMPT:
                    self._report(str(error))
            attempt += 1
            await anyio.sleep(backoff.next())
