"""A record put together from parts of its images is the one that would have been made of them whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder.errors import Torn, Vanished
from forwarder.events import NO_DATA, CapturedTable, Event, Stored
from forwarder.listen import bodies
from forwarder.listen.bodies import SplicedBodies
from forwarder.records.formats.encoder import Provenance
from forwarder.records.formats.native import encoder
from forwarder.records.origins import Origin, Origins
from forwarder.records.record import Body

PART_BYTES = 10
ENCODE = encoder(Provenance(origins=Origins([Origin(0, "7")]), database="shop"))


@dataclass
class Shelf:
    """Images in UTF-8, of which it hands out parts."""

    before: str | None
    after: str | None
    asked: list[tuple[bool, int]] = field(default_factory=list)
    # How many parts it has handed out when somebody takes the change away.
    ends_after: int | None = None
    told: list[tuple[int, str]] = field(default_factory=list)

    async def part(self, seq: int, *, letter_of: str | None, is_before: bool, offset: int) -> bytes | None:
        assert seq == 42
        if len(self.asked) == self.ends_after:
            return None
        self.asked.append((is_before, offset))
        image = (self.before if is_before else self.after) or ""
        return image.encode()[offset : offset + PART_BYTES]

    def lost(self, seq: int, table: str) -> None:
        self.told.append((seq, table))


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PART_BYTES", PART_BYTES)


def change(*, before: str | None, after: str | None, keeps_old_rows: bool = True, op: bytes = b"U") -> Event:
    table = CapturedTable(
        id=1,
        relation=16400,
        schema="public",
        name="orders",
        key_columns=(("id",),),
        before_image="full" if keeps_old_rows else "none",
    )
    return Event(42, 1, 0, table, None, op, before, after, None, 1, 1, '{"id":1}', "1", omitted=("nothing",))


async def read(event: Event, shelf: Shelf) -> bytes:
    """The record of an event whose images are on the shelf."""

    def size(image: str | None) -> int | None:
        return None if image is None else len(image.encode())

    images: Any = shelf
    stored = Stored(size(shelf.before), size(shelf.after), "default")
    data = SplicedBodies(ENCODE, images).body(replace(event, before=None, after=None, stored=stored))
    if isinstance(data, bytes):
        return data
    whole = await joined(data)
    assert len(whole) == data.size
    return whole


async def joined(body: Body) -> bytes:
    return b"".join([part async for part in body.parts()])


def body_of(event: Event, shelf: Shelf, *, letter_of: str | None = None) -> Body:
    """As ``read``, but not read yet; both images are ASCII."""
    images: Any = shelf
    stored = Stored(len(shelf.before or ""), len(shelf.after or ""), letter_of)
    body = SplicedBodies(ENCODE, images).body(replace(event, before=None, after=None, stored=stored))
    assert not isinstance(body, bytes)
    return body


@pytest.mark.parametrize("before", [None, '{"id":1}', '{"id":1,"note":"a long one, äöü 😀 and so on"}'])
@pytest.mark.parametrize(
    "after", [None, '{"id":1}', '{"id":1,"note":"another,\n \r long one, äöü 😀"}', "x" * PART_BYTES]
)
@pytest.mark.parametrize("keeps_old_rows", [True, False])
async def test_it_is_the_same_record(before: str | None, after: str | None, *, keeps_old_rows: bool) -> None:
    event = change(before=before, after=after, keeps_old_rows=keeps_old_rows)

    assert await read(event, Shelf(before, after)) == ENCODE([event])[0]


async def test_an_old_row_that_the_record_does_not_hold_is_not_read() -> None:
    shelf = Shelf("x" * 30, "y" * 15)

    await read(change(before=shelf.before, after=shelf.after, keeps_old_rows=False), shelf)

    assert shelf.asked == [(False, 0), (False, 10)]


async def test_what_was_taken_out_of_the_outbox_is_a_record_without_images_that_says_so_and_is_told_once() -> None:
    shelf = Shelf("x" * 30, "y" * 15, ends_after=0)
    event = change(before=shelf.before, after=shelf.after)
    body = body_of(event, shelf)

    for _ in range(2):
        assert await joined(body) == ENCODE([replace(event, before=None, after=None, fault=NO_DATA)])[0]

    assert shelf.told == [(42, "public.orders")]


@pytest.mark.parametrize("parts", range(1, 5))
async def test_what_is_taken_out_in_the_middle_is_to_be_read_from_the_beginning(parts: int) -> None:
    shelf = Shelf("x" * 30, "y" * 15, ends_after=parts)
    event = change(before=shelf.before, after=shelf.after)
    body = body_of(event, shelf)

    with pytest.raises(Torn, match="42"):
        await joined(body)

    assert await joined(body) == ENCODE([replace(event, before=None, after=None, fault=NO_DATA)])[0]
    assert shelf.told == [(42, "public.orders")]


@pytest.mark.parametrize("parts", [0, 1])
async def test_a_letter_that_is_discarded_is_no_record(parts: int) -> None:
    shelf = Shelf("x" * 30, "y" * 15, ends_after=parts)

    with pytest.raises(Vanished, match="42"):
        await joined(body_of(change(before=shelf.before, after=shelf.after), shelf, letter_of="default"))

    assert not shelf.told
