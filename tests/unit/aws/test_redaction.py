"""Of what a peer says no data, key, token or signature is repeated, and what an operator needs is."""

from __future__ import annotations

import base64

import pytest

from forwarder.aws import redaction

TOKEN = "FwoGZXIvYXdzEJr//////////wEaDSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRET"
SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing"
    f" method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'POST\n/\n\n"
    f"x-amz-security-token:{TOKEN}\n'"
)
DATA = base64.b64encode(b'{"id":"1","after":{"name":"Somebody","card":"4111 1111 1111 1111"}}').decode()
BODY = f'{{"StreamName":"changes","Records":[{{"Data":"{DATA}","PartitionKey":"public.account.5000"}}]}}'
DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/a-role-of-forwarder/0123456789abcdef0123456789abcdef is not authorized to perform:"
    " kinesis:PutRecords on resource: arn:aws:kinesis:eu-central-1:123456789012:stream/changes because no identity-based policy allows"
    " the kinesis:PutRecords action"
)


@pytest.mark.parametrize(
    ("said", "repeated"),
    [
        (SIGNATURE, "The request signature we calculated does not match the signature you provided"),
        (SIGNATURE.replace("\n", " ").replace(". ", ", "), None),
        (f"upstream failed for: {BODY}", "upstream failed for"),
        (f"too large: {DATA} of public.account.5000", "too large: … of public.account.5000"),
        (f"<html>{BODY}</html>", ""),
        (BODY, ""),
        (f"no such header x-amz-security-token:{TOKEN}", "no such header x-amz-security-token:…"),
        (f"{{'Records': [{DATA}]}}", ""),
        ("Rate exceeded for stream changes under account 1.", "Rate exceeded for stream changes under account 1."),
        ('Could not connect to the endpoint URL: "https://s3/b/' + "a" * 60 + '"', None),
        ("denied: Proxy-Authorization: Basic dXNlcjpQUk9YWVNFQ1JFVA== of POST / HTTP/1.1", "denied"),
        ("no token in GET /?a=b HTTP/1.1 Host: x", "no token in GET /?a=b"),
        (
            f"no way to https://user:secret@host/path?X-Amz-Security-Token={TOKEN} today",
            "no way to https://host/path today",
        ),
        (" \n odd\tblanks ", "odd blanks"),
        (DENIED, DENIED[:300]),
        (None, "None"),
        (b"\xff", "b'\\xff'"),
    ],
)
def test_a_sentence_is_repeated_and_no_quotation(said: object, repeated: str | None) -> None:
    told = redaction.sentence(said)
    assert repeated is None or told == repeated
    assert len(told) <= 300
    assert "\n" not in told
    assert TOKEN[:40] not in told
    assert DATA[:40] not in told


def test_an_address_is_repeated_however_long_its_names_are() -> None:
    url = "https://bucket.s3.amazonaws.com/large/public/orders/7711586525858696747/16384/0000000000002b90.json"
    assert url in redaction.sentence(f'Connect timeout on endpoint URL: "{url}"')
    assert "no identity-based policy allows" in redaction.sentence(DENIED)


@pytest.mark.parametrize("code", ["InternalFailure", "413", "com.amazon.Fault", "a" * 64])
def test_a_name_of_an_error_is_repeated(code: str) -> None:
    assert redaction.code(code) == code


@pytest.mark.parametrize("code", ["", "a" * 65, f"Bad {BODY}", "Ä", "a\n", None, 17, ["x"]])
def test_what_is_no_name_is_not_repeated(code: object) -> None:
    assert redaction.code(code) == redaction.ODD_CODE
