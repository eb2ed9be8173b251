"""Encodes events so that one which its format cannot encode stops no other. Pure.

No encoder should fail. One that does, for a row that nobody has thought of, would fail for it again after each restart, and nothing would be
delivered any more. So that event is set aside, and the log says where the encoder has failed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from forwarder.events import Event
from forwarder.records.formats.encoder import Encoder

# The code of an event that was set aside for it.
NOT_ENCODED = "not-encoded"

logger = logging.getLogger(__name__)


def encoded(encode: Encoder, events: Sequence[Event]) -> tuple[list[bytes], Mapping[int, str]]:
    """The bytes of all events, in their order; and by the places of those that cannot be encoded, whose bytes are empty, why not."""
    try:
        return encode(events), {}
    except Exception:  # noqa: BLE001 - whatever it is, only one of the events is at fault
        failed: dict[int, str] = {}
        return [_one(encode, event, place, failed) for place, event in enumerate(events)], failed


def _one(encode: Encoder, event: Event, place: int, failed: dict[int, str]) -> bytes:
    try:
        [data] = encode([event])
    except Exception as error:  # noqa: BLE001
        failed[place] = complaint(error)
        logger.error(
            "a change cannot be encoded and is set aside: please report this",
            extra={"seq": event.seq, "table": event.table.qualified_name, "error": failed[place]},
        )
        return b""
    return data


def complaint(error: Exception) -> str:
    """What an encoder has failed with, and where. Not its words, which may quote the row."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}" if trace else ""
    return f"its format fails with {type(error).__name__}{where}"
