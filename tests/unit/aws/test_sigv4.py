from __future__ import annotations

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from forwarder.aws.sigv4 import Signer

HEADERS = {"X-Amz-Target": "Kinesis_20131202.PutRecords", "Content-Type": "application/x-amz-json-1.1"}
KEYS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)


def signer(*, host: str = "kinesis.eu-west-1.amazonaws.com", path: str = "/") -> Signer:
    headers = {"host": host, **{name.lower(): value for name, value in HEADERS.items()}}
    return Signer(path=path, headers=headers, region="eu-west-1", service="kinesis")


def by_botocore(url: str, body: bytes, credentials: ReadOnlyCredentials) -> dict[str, str]:
    request = AWSRequest("POST", url, headers=HEADERS, data=body)
    SigV4Auth(credentials, "kinesis", "eu-west-1").add_auth(request)
    return {name: value for name, value in request.headers.items() if name not in HEADERS}


@given(body=st.binary(), access_key=KEYS, secret_key=KEYS, token=st.none() | KEYS)
def test_a_request_is_signed_as_botocore_signs_it(
    body: bytes, access_key: str, secret_key: str, token: str | None
) -> None:
    credentials = ReadOnlyCredentials(access_key, secret_key, token)
    theirs = by_botocore("https://kinesis.eu-west-1.amazonaws.com/", body, credentials)

    assert signer().sign(body, credentials=credentials, at=theirs["X-Amz-Date"]) == theirs


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("http://127.0.0.1:4567/", "127.0.0.1:4567", "/"),
        ("https://vpce-1.kinesis.test/prefix/", "vpce-1.kinesis.test", "/prefix/"),
    ],
)
def test_address_and_path_are_signed_too(url: str, host: str, path: str) -> None:
    credentials = ReadOnlyCredentials("key", "secret", None)
    theirs = by_botocore(url, b"{}", credentials)

    assert signer(host=host, path=path).sign(b"{}", credentials=credentials, at=theirs["X-Amz-Date"]) == theirs


def test_the_next_day_is_signed_by_another_key() -> None:
    credentials = ReadOnlyCredentials("key", "secret", None)
    one, other = (
        signer().sign(b"{}", credentials=credentials, at=at)["Authorization"]
        for at in ("20260102T235959Z", "20260103T000000Z")
    )

    assert "/20260102/" in one
    assert "/20260103/" in other
    assert one.split("Signature=")[1] != other.split("Signature=")[1]
