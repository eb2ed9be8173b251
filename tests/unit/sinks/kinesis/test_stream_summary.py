"""``forwarder.sinks.kinesis.stream_summary``."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from forwarder.sinks.kinesis.stream_summary import summary_of
from tests.checking import STREAM

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_answer_of_a_stream_is_read_whatever_it_leaves_out() -> None:
    assert summary_of({"message": "hello"}) is None
    bare = summary_of({"StreamDescriptionSummary": {"StreamStatus": "ACTIVE"}})
    assert bare == replace(STREAM, mode=None, max_record_kib=None, open_shards=None, encryption=None)
    whole = summary_of(
        {
            "StreamDescriptionSummary": {
                "StreamStatus": "ACTIVE",
                "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
                "EncryptionType": "KMS",
                "KeyId": "alias/aws/kinesis",
            },
            "ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 01 Jan 2026 00:00:00 GMT"}},
        }
    )
    assert whole is not None
    assert (whole.mode, whole.key_id, whole.answered_at) == ("ON_DEMAND", "alias/aws/kinesis", NOW)
    odd = {
        "StreamDescriptionSummary": {"StreamStatus": "ACTIVE"},
        "ResponseMetadata": {"HTTPHeaders": {"date": "soon"}},
    }
    assert summary_of(odd) == bare
