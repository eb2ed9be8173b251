"""Requests that repeat one which botocore has made: the same address, headers, credentials and connections, with other bodies.

botocore spends half a millisecond on a request before a byte is sent: on rules of endpoints, on events, and on headers that it parses again
and again. All of that is the same for each request. So:

1. ``learn`` has botocore make one request, with a stand-in for the network, and keeps what botocore's events tell of it.
2. ``SignedPost.send`` makes the next ones, which differ in their body, time and signature alone.

They are sent by the client's own HTTP session, so proxies, TLS and time-outs are those of the client. It is still botocore that finds and
renews the credentials.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.endpoint import convert_to_response_dict
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError
from botocore.parsers import create_parser

from forwarder.aws import cbor
from forwarder.aws.http_session import Sliced, Slices
from forwarder.aws.sigv4 import Signer

# Headers that are different in each request.
_OWN_HEADERS = {"authorization", "x-amz-date", "x-amz-security-token", "content-length", "amz-sdk-invocation-id"}
# A host is sent, and so signed, without its port if that is the default of its scheme.
_DEFAULT_PORTS = {"http": 80, "https": 443}


class NoCbor(ClientError):  # type: ignore[misc]
    """A refusal of a request in CBOR that is in another format: the page of a gateway, or of an endpoint that knows JSON alone."""


class SignedPost:
    """Requests for one operation of a client; the caller makes their bodies and reads their answers."""

    def __init__(self, trial: _Trial, operation: Any, *, content_type: str | None = None) -> None:
        """``operation`` is botocore's model of the operation. ``content_type`` takes the place of that of botocore's request."""
        headers = trial.headers if content_type is None else trial.headers | {"content-type": content_type}
        self._trial = trial
        self._is_cbor = "cbor" in headers.get("content-type", "")
        target = urlsplit(trial.request.url)
        host = target.hostname if target.port == _DEFAULT_PORTS.get(target.scheme) else target.netloc
        signed_names = set(headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";"))
        self._operation = operation
        self._url = trial.request.url
        self._session = trial.endpoint.http_session
        self._authority = trial.authority
        self._headers = {name: value for name, value in headers.items() if name not in _OWN_HEADERS}
        self._signer = Signer(
            path=target.path or "/",
            headers={name: value for name, value in (self._headers | {"host": host}).items() if name in signed_names},
            region=trial.region,
            service=trial.service,
        )

    def in_type(self, content_type: str) -> SignedPost:
        """The same requests with bodies of another type. Of CBOR, errors are read too."""
        return SignedPost(self._trial, self._operation, content_type=content_type)

    async def send(self, body: bytes | Slices) -> bytes:
        """Make a request, and return the body of its answer.

        A body in slices is iterated twice, to be signed and to be sent, so that it need not be in memory whole.

        Raises:
            NoCbor: the request is in CBOR, and it is refused in another format.
            ClientError: the request is refused.
            Exception: whatever else the client raises, if there is no answer or there are no credentials.
        """
        signature = await self.sign(body, at=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
        headers = self._headers | signature | {"amz-sdk-invocation-id": str(uuid4())}
        sent = body if isinstance(body, bytes) else Sliced(body)
        request = AWSPreparedRequest("POST", self._url, headers, sent, stream_output=False)
        try:
            response = await self._session.send(request)
        except HTTPClientError as error:
            # Subclasses of it are failures of the network. The class itself wraps any error that the session did not foresee.
            if type(error) is HTTPClientError:
                raise error.kwargs["error"] from error
            raise
        if response.status_code >= 300:
            raise await self._error(response)
        answer: bytes = await response.content
        return answer

    async def sign(self, body: bytes | Slices, *, at: str) -> dict[str, str]:
        """The headers that sign a request, by the credentials of this moment."""
        authority = await self._authority()
        if authority.credentials is None:
            raise NoCredentialsError
        return self._signer.sign(body, credentials=authority.credentials, at=at)

    async def _error(self, response: AioAWSResponse) -> ClientError:
        facts = await convert_to_response_dict(response, self._operation)
        kind: type[ClientError] = ClientError
        if self._is_cbor:
            if (in_json := _cbor_error_in_json(facts["body"])) is None:
                kind = NoCbor
            else:
                facts["body"] = in_json
        parser = create_parser(self._operation.service_model.resolved_protocol)
        try:
            told = parser.parse(facts, self._operation.output_shape)
        except Exception as error:  # noqa: BLE001 - of an odd body it may raise anything; that it is an error, the status tells
            told = {
                "Error": {"Code": str(response.status_code), "Message": f"an odd answer: {type(error).__name__}"},
                "ResponseMetadata": {"HTTPStatusCode": response.status_code},
            }
        return kind(told, self._operation.name)


def _cbor_error_in_json(body: bytes) -> bytes | None:
    """An error that is written in CBOR, for botocore's parser, which reads JSON; None: it is not in CBOR.

    In both formats it is a map with ``__type`` and ``message``.
    """
    try:
        members = cbor.decode(body)
    except cbor.Malformed:
        return None
    if not isinstance(members, dict):
        return None
    return json.dumps({name: value for name, value in members.items() if isinstance(value, str)}).encode()


async def learn(client: Any, operation_name: str, parameters: Mapping[str, Any]) -> SignedPost:
    """Have a client make one request, and learn from it how to make more. It does not leave the machine: a stand-in answers it.

    Raises:
        Exception: of any kind, if this botocore is not as we know it, or signs otherwise than we do.
    """
    operation = client.meta.service_model.operation_model(operation_name)
    trial = _Trial()
    events = client.meta.events
    hooks = {f"{event}.kinesis.{operation_name}": hook for event, hook in trial.hooks.items()}
    for event, hook in hooks.items():
        # As the first hook, since the first one that answers is heeded.
        events.register_first(event, hook)
    try:
        await getattr(client, xform_name(operation_name))(**parameters)
    finally:
        for event, hook in hooks.items():
            events.unregister(event, hook)
    post = SignedPost(trial, operation)
    theirs = trial.headers
    ours = await post.sign(trial.request.body, at=theirs["x-amz-date"])
    if any(theirs.get(name.lower()) != value for name, value in ours.items()):
        raise ValueError("botocore signs otherwise")
    return post


class _Trial:
    """One request that botocore makes: what its events tell of it, and the answer in the network's place."""

    @property
    def hooks(self) -> dict[str, Callable[..., Any]]:
        """What is called at each event of botocore."""
        return {"before-sign": self._signing, "before-send": self._sending, "needs-retry": self._answered}

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the request, by their names in lower case."""
        return {name.lower(): _text(value) for name, value in self.request.headers.items()}

    def _signing(
        self, request_signer: Any, signing_name: str, region_name: str, signature_version: str, **_: Any
    ) -> None:
        self.service, self.region = signing_name, region_name
        # Gives an object with the credentials of the moment, which are renewed if need be.
        self.authority = partial(request_signer.get_auth_instance, signing_name, region_name, signature_version)

    def _sending(self, request: AWSPreparedRequest, **_: Any) -> AioAWSResponse:
        self.request = request
        return AioAWSResponse(request.url, 200, {}, self)

    def _answered(self, endpoint: Any, **_: Any) -> None:
        self.endpoint = endpoint

    async def read(self) -> bytes:
        """The body of the answer, asked for as that of a network's answer would be."""
        return b"{}"


def _text(value: str | bytes | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
