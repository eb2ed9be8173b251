"""Large records in formats that need their images whole: known in size before they are sent, and never kept."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder.config.sink_url import Framing
from forwarder.errors import Vanished
from forwarder.events import NO_DATA, CapturedTable, Event, Stored
from forwarder.listen import whole_bodies
from forwarder.listen.whole_bodies import WholeBodies
from forwarder.records.formats.encoder import Encoder, Provenance
from forwarder.records.formats.framing import framed
from forwarder.records.formats.native import encoder
from forwarder.records.origins import Origin, Origins
from forwarder.records.packing import without_before
from forwarder.records.record import Body

PART_BYTES = 10
ENCODE = encoder(Provenance(origins=Origins([Origin(0, "7")]), database="shop"))
ORDERS = CapturedTable(
    id=1, relation=16400, schema="public", name="orders", key_columns=(("id",),), before_image="full"
)
CHANGE = Event(
    42, 1, 0, ORDERS, None, b"U", '{"id":1,"note":"äöü 😀"}', '{"id":1,"note":"short"}', None, 1, 1, '{"id":1}', "1"
)


class Shelf:
    """The images of ``CHANGE``, of which it hands out parts, until somebody takes the change away."""

    def __init__(self, *, gone_after: int | None = None) -> None:
        self.parts = 0
        self.lost_seqs: list[int] = []
        self._gone_after = gone_after

    async def part(self, seq: int, *, letter_of: str | None, is_before: bool, offset: int) -> bytes | None:
        if self.parts == self._gone_after:
            return None
        self.parts += 1
        image = (CHANGE.before if is_before else CHANGE.after) or ""
        return image.encode()[offset : offset + PART_BYTES]

    def lost(self, seq: int, table: str) -> None:
        self.lost_seqs.append(seq)


def in_database(event: Event = CHANGE, *, letter_of: str | None = None) -> Event:
    stored = Stored(len((event.before or "").encode()), len((event.after or "").encode()), letter_of)
    return replace(event, before=None, after=None, stored=stored)


def bodies(shelf: Shelf, encode: Encoder = ENCODE, *, decodes: bool = True) -> WholeBodies:
    images: Any = shelf
    return WholeBodies(encode, images, decodes=decodes)


async def read(body: bytes | Body) -> bytes:
    assert not isinstance(body, bytes)
    return b"".join([part async for part in body.parts()])


async def test_the_record_is_that_of_its_images_and_as_large_as_was_measured() -> None:
    compressing = framed(ENCODE, Framing(compression="gzip"))
    whole = bodies(Shelf(), compressing)
    [event] = await whole.measured([in_database()])
    body = whole.body(event)
    assert not isinstance(body, bytes)
    data = await read(body)
    assert gzip.decompress(data) == ENCODE([CHANGE])[0]
    assert body.size == len(data)


async def test_without_its_old_row_it_is_as_large_as_was_measured_too() -> None:
    whole = bodies(Shelf())
    [event] = await whole.measured([in_database()])
    body = whole.body(without_before(event))
    assert not isinstance(body, bytes)
    assert await read(body) == ENCODE([without_before(CHANGE)])[0]
    assert body.size == len(await read(body))


async def test_an_event_that_other_sinks_have_too_is_left_as_it_is() -> None:
    event = in_database()
    [measured] = await bodies(Shelf()).measured([event])
    assert measured is not event
    assert event.stored
    assert event.stored.sizes is None


async def test_a_row_that_is_too_large_to_be_in_memory_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_bodies, "MAX_IMAGE_BYTES", len((CHANGE.after or "").encode()))
    shelf = Shelf()
    whole = bodies(shelf)
    [event] = await whole.measured([in_database()])
    body, lean = whole.body(event), whole.body(without_before(event))
    assert not isinstance(body, bytes)
    assert not isinstance(lean, bytes)
    assert (body.is_too_large, lean.is_too_large) == (True, False)
    assert lean.size == len(await read(lean))


async def test_a_change_that_was_taken_out_of_the_outbox_makes_a_record_that_says_so() -> None:
    for gone_after in (0, 1):
        shelf = Shelf(gone_after=gone_after)
        data = await read(bodies(shelf).body(in_database()))
        assert [data] == ENCODE([replace(CHANGE, before=None, after=None, fault=NO_DATA)])
        assert shelf.lost_seqs == [42]


async def test_a_dead_letter_that_was_discarded_has_vanished() -> None:
    whole = bodies(Shelf(gone_after=1))
    [event] = await whole.measured([in_database(letter_of="default")])
    with pytest.raises(Vanished):
        await read(whole.body(event))


async def test_an_event_that_the_format_has_no_record_for_has_no_body() -> None:
    def silent(events: Sequence[Event]) -> list[bytes]:
        return [b"" for _ in events]

    whole = bodies(Shelf(), silent)
    [event] = await whole.measured([in_database()])
    assert whole.body(event) == b""


async def test_a_row_of_too_many_values_is_not_made_where_each_takes_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    # The images have one comma each.
    monkeypatch.setattr(whole_bodies, "MAX_VALUES", 1)
    for decodes in (True, False):
        whole = bodies(Shelf(), decodes=decodes)
        [event] = await whole.measured([in_database()])
        body, lean = whole.body(event), whole.body(without_before(event))
        assert not isinstance(body, bytes)
        assert not isinstance(lean, bytes)
        assert (body.is_too_large, lean.is_too_large) == (decodes, False)


async def test_a_format_that_fails_leaves_the_row_aside() -> None:
    def failing(events: Sequence[Event]) -> list[bytes]:
        raise ZeroDivisionError

    whole = bodies(Shelf(), failing)
    [event] = await whole.measured([in_database()])
    body = whole.body(event)
    assert not isinstance(body, bytes)
    assert body.is_too_large
