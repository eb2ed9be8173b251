"""One call of AWS: how long it may take from end to end, and what its errors mean.

The client's own time-outs count between two bytes, once a connection is there. A peer that stops reading, a proxy that takes a CONNECT
and never answers it, an answer that drips: none of them would ever be given up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from forwarder.aws.errors import aws_errors
from forwarder.errors import Unavailable

# For all of it: a connection of the pool, credentials, proxy, TLS, upload and answer.
CALL_SECONDS = 12.0
# What is sent is given more time the more it is: a network slower than this is none to deliver by.
LEAST_BYTES_PER_SECOND = 1 << 20


@contextmanager
def aws_call(what: str, *, sent_bytes: int = 0) -> Iterator[None]:
    """Give up what takes too long, and raise whatever goes wrong as an error of this program; ``what`` is what it is about.

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
