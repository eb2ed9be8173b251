"""Whether requests are made in CBOR or in JSON: in CBOR, where the endpoint takes it. Pure; time is an argument.

An endpoint that knows JSON alone refuses CBOR in words of its own. So a refusal that may be due to CBOR is doubted, and the same records
are sent once more, in JSON:

1. The endpoint takes them in JSON: CBOR is to blame. Requests are in JSON for 20 seconds, and each time for twice as long, an hour at most.
   Then CBOR is tried again.
2. The endpoint refuses them in JSON too: CBOR is not to blame, and stays. What JSON is refused for counts.

What is doubted:

====================================================  ====================
an answer that cannot be read as one of PutRecords    always
SerializationException or UnknownOperationException   always
another refusal that is not in CBOR, HTTP 4xx         always, but for 413
another refusal that is not in CBOR, HTTP 5xx         until CBOR is proved
a refusal in CBOR which says that a record is invalid until CBOR is proved
====================================================  ====================

CBOR is proved when a request in it is answered record by record. HTTP 413 is about the size of a request, in whatever format
(``request_limit``). A redirect, or no answer at all, says nothing about CBOR.
"""

from __future__ import annotations

from math import inf

from botocore.exceptions import ClientError

from forwarder.aws.errors import INVALID, code_of, status_of
from forwarder.aws.signed_post import NoCbor
from forwarder.backoff import Backoff
from forwarder.config.sink_url import Protocol
from forwarder.sinks.kinesis import wire_cbor, wire_json
from forwarder.sinks.kinesis.wire import Wire

# For how long requests are in JSON before CBOR is tried again.
FIRST_SECONDS = 20.0
LONGEST_SECONDS = 3600.0

_MISUNDERSTOOD = {"SerializationException", "UnknownOperationException"}
_TOO_LARGE = 413
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


class ProtocolChoice:
    """The protocol of one stream's requests."""

    def __init__(self, wanted: Protocol) -> None:
        self._wanted = wanted
        self._json_until = inf if wanted == "json" else -inf
        self._pauses = Backoff(first_seconds=FIRST_SECONDS, max_seconds=LONGEST_SECONDS)
        # Whether a request in CBOR was answered record by record, and nothing was blamed on CBOR since.
        self._is_proved = wanted == "cbor"

    @property
    def is_free(self) -> bool:
        """Whether it may change."""
        return self._wanted == "auto"

    def wire(self, now: float) -> Wire:
        """What the next request is made in."""
        return wire_json if now < self._json_until else wire_cbor

    def doubts(self, error: Exception) -> bool:
        """Whether CBOR may be the reason for which a request in CBOR has failed. ``error``: its refusal, or what it raised to read the answer."""
        if not isinstance(error, ClientError):
            return True
        code, status = code_of(error), status_of(error)
        if status == _TOO_LARGE or status < _CLIENT_ERROR:
            return False
        if code in _MISUNDERSTOOD:
            return True
        if isinstance(error, NoCbor):
            return status < _SERVER_ERROR or not self._is_proved
        return code in INVALID and not self._is_proved

    def prove(self) -> None:
        """A request in CBOR was answered record by record."""
        self._is_proved = True

    def blame(self, now: float) -> bool:
        """The endpoint has taken in JSON what it has refused in CBOR. False: that was known."""
        if now < self._json_until:
            return False
        self._json_until = now + self._pauses.next()
        self._is_proved = False
        return True
