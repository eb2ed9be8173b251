from __future__ import annotations

from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

from forwarder.aws.cbor import Malformed
from forwarder.aws.signed_post import NoCbor
from forwarder.sinks.kinesis import wire_cbor, wire_json
from forwarder.sinks.kinesis.protocol_choice import FIRST_SECONDS, LONGEST_SECONDS, ProtocolChoice


def refusal(code: str, status: int = 400, *, in_cbor: bool = True) -> ClientError:
    told = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return (ClientError if in_cbor else NoCbor)(told, "PutRecords")


def proved() -> ProtocolChoice:
    choice = ProtocolChoice("auto")
    choice.prove()
    return choice


def test_it_begins_with_cbor_and_either_can_be_forced() -> None:
    assert ProtocolChoice("auto").wire(0.0) is wire_cbor
    assert ProtocolChoice("cbor").wire(0.0) is wire_cbor
    assert ProtocolChoice("json").wire(1e9) is wire_json


@pytest.mark.parametrize(
    ("error", "at_first", "once_proved"),
    [
        (Malformed("no CBOR"), True, True),
        (refusal("SerializationException"), True, True),
        (refusal("UnknownOperationException"), True, True),
        (refusal("UnknownOperationException", 404, in_cbor=False), True, True),
        (refusal("415", 415, in_cbor=False), True, True),
        (refusal("ValidationException", in_cbor=False), True, True),
        (refusal("403", 403, in_cbor=False), True, True),
        (refusal("500", 500, in_cbor=False), True, False),
        (refusal("ValidationException"), True, False),
        (refusal("InvalidArgumentException"), True, False),
        (refusal("413", 413, in_cbor=False), False, False),
        (refusal("307", 307, in_cbor=False), False, False),
        (refusal("InternalFailure", 500), False, False),
        (refusal("ProvisionedThroughputExceededException"), False, False),
        (refusal("LimitExceededException"), False, False),
        (refusal("AccessDeniedException"), False, False),
        (refusal("ExpiredTokenException"), False, False),
        (refusal("ResourceNotFoundException"), False, False),
        (refusal("KMSThrottlingException"), False, False),
    ],
)
def test_a_refusal_is_doubted_where_cbor_may_be_the_reason(
    error: Exception, *, at_first: bool, once_proved: bool
) -> None:
    assert ProtocolChoice("auto").doubts(error) == at_first
    assert proved().doubts(error) == once_proved


def test_cbor_is_tried_again_after_pauses_that_double_and_however_many_requests_were_under_way() -> None:
    choice, now, pauses = ProtocolChoice("auto"), 0.0, []
    for _ in range(20):
        assert choice.wire(now) is wire_cbor
        assert choice.blame(now)
        assert not choice.blame(now)
        begins = now
        while choice.wire(now) is wire_json:
            now += 1
        pauses.append(now - begins)

    assert FIRST_SECONDS / 2 <= pauses[0] <= FIRST_SECONDS + 1
    assert all(later > earlier * 0.9 for earlier, later in pairwise(pauses[:7]))
    assert LONGEST_SECONDS / 2 <= pauses[-1] <= LONGEST_SECONDS + 1


def test_what_was_proved_has_to_be_proved_again_after_a_blame() -> None:
    choice = proved()
    choice.blame(0.0)

    assert choice.doubts(refusal("ValidationException"))
