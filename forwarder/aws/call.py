"""One call of AWS: how long it may take from end to end, and what its errors mean.

The time-outs of the AWS client are for connecting, and for the pause between two bytes. They never end a peer that stops reading, a proxy
that takes a CONNECT and does not answer it, or an answer that comes a byte at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from forwarder.aws.errors import aws_errors
from forwarder.errors import Unavailable

# For the whole call: waiting for a connection of the pool, credentials, proxy, TLS, upload and answer.
CALL_SECONDS = 12.0
# An upload is granted more time by its size: as long as it takes at this rate.
LEAST_BYTES_PER_SECOND = 1 << 20


@contextmanager
def aws_call(what: str, *, sent_bytes: int = 0) -> Iterator[None]:
    """Give up a call that takes too long, and raise whatever goes wrong in it as an error of this program.

    Args:
        what: what the call is about, for messages: ``stream changes``.
        sent_bytes: how much it uploads.

    Raises:
        Invalid, Refused, Unavailable: as ``aws_errors``.
    """
    seconds = CALL_SECONDS + sent_bytes / LEAST_BYTES_PER_SECOND
    with aws_errors(what), anyio.move_on_after(seconds) as deadline:
        yield
    if deadline.cancelled_caught:
        raise Unavailable(
            f"{what}: not done within {seconds:.0f} seconds, from waiting for a connection to the end of the answer;"
            " check the network, the proxy if any, and where the credentials come from"
        )
