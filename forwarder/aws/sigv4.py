"""AWS Signature Version 4, for POST requests that differ only in their body and time. Pure.

Source of the rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(Protocol):
    """What is needed of ``botocore.credentials.ReadOnlyCredentials``."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


class Signer:
    """Signs POST requests to one address."""

    def __init__(self, *, path: str, headers: Mapping[str, str], region: str, service: str) -> None:
        """``headers`` are those to be signed, by their names in lower case: with ``host``, and without date and token."""
        self._path = path
        self._headers = dict(headers)
        self._region = region
        self._service = service

    def sign(self, body: bytes | Iterable[bytes | memoryview], *, credentials: Credentials, at: str) -> dict[str, str]:
        """The headers that a request needs besides those that are the same for all: date, token and signature.

        Args:
            body: whole, or in slices.
            at: the time in UTC, as in ``20260102T030405Z``.
        """
        added = {"X-Amz-Date": at}
        if credentials.token:
            added["X-Amz-Security-Token"] = credentials.token
        headers = {**self._headers, **{name.lower(): value for name, value in added.items()}}
        names = sorted(headers)
        signed_names = ";".join(names)
        canonical_headers = "".join([f"{name}:{headers[name]}\n" for name in names])
        request = f"POST\n{self._path}\n\n{canonical_headers}\n{signed_names}\n{_digest(body)}"
        day = at[:8]
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        to_sign = f"{_ALGORITHM}\n{at}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        key = _signing_key(credentials.secret_key, day, self._region, self._service)
        added["Authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={signed_names},"
            f" Signature={_mac(key, to_sign).hex()}"
        )
        return added


def _digest(body: bytes | Iterable[bytes | memoryview]) -> str:
    if isinstance(body, bytes):
        return sha256(body).hexdigest()
    digest = sha256()
    for part in body:
        digest.update(part)
    return digest.hexdigest()


@lru_cache(maxsize=4)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _mac(key, part)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
