"""How a body is handed to its connection."""

from typing import Any

import pytest

from forwarder.aws.http_session import SLICE_BYTES, WITH_HEADERS_BYTES, Sliced, _Straight


class Session:
    """In place of aiohttp's session: keeps the body of a request."""

    async def request(self, method: str, *, data: Any, allow_redirects: bool) -> Any:
        self.body = data
        return Answer()


class Answer:
    raw_headers = ()
    status = 200
    url = "http://stream"


class Writer:
    """In place of aiohttp's writer: notes what it is told to send, in order."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send_headers(self) -> None:
        self.sent.append("headers")

    async def write(self, part: Any) -> None:
        self.sent.append(part)


async def handed_over(body: bytes) -> Any:
    """What aiohttp is given for a body."""
    session = Session()
    await _Straight(session, max_answer_bytes=1).request("POST", data=body)
    return session.body


async def test_a_small_body_may_be_sent_with_the_headers() -> None:
    body = bytes(WITH_HEADERS_BYTES)
    assert await handed_over(body) is body


@pytest.mark.parametrize("size", [WITH_HEADERS_BYTES + 1, SLICE_BYTES, 2 * SLICE_BYTES + 1])
async def test_a_larger_body_is_sent_after_the_headers_in_slices_without_a_copy(size: int) -> None:
    body = bytes(size)
    handed = await handed_over(body)
    assert isinstance(handed, Sliced)
    assert handed.size == size
    writer: Any = Writer()
    await handed.write(writer)
    headers, *slices = writer.sent
    assert headers == "headers"
    assert [len(part) for part in slices[:-1]] == [SLICE_BYTES] * (len(slices) - 1)
    assert sum(map(len, slices)) == size
    assert all(part.obj is body for part in slices)
