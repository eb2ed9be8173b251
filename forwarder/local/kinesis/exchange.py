"""A request and its answer, whichever HTTP they travel by."""

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from forwarder.local.kinesis.codecs import JSON

MAX_BODY_BYTES = 20 << 20
# How long requests may still take when serving ends. Not 0, which aiohttp takes for "wait for ever".
GRACE_SECONDS = 0.1

# What goes on for minutes comes in parts.
Body: TypeAlias = bytes | AsyncGenerator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that has arrived as a whole. ``headers`` are asked by names in lower case; ``peer`` is the client's address."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    peer: str

    @property
    def content_type(self) -> str:
        """What its body is, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer."""

    status: int = 200
    body: Body = b""
    content_type: str = JSON.content_type

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type, "x-amzn-RequestId": str(uuid.uuid4())}


# None: there is no answer, and the connection is to be cut.
Handler = Callable[[Request], Awaitable[Response | None]]

TOO_LARGE = Response(status=413)
