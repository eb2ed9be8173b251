"""A record put together from parts of its images is the one that would have been made of them whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder import bodies
from forwarder.events import Event, Stored, Table
from forwarder.native import encoder
from forwarder.origins import Origin, Origins

PART_BYTES = 10
ENCODE = encoder(Origins([Origin(0, "7")]))


@dataclass
class Shelf:
    """Images in UTF-8, of which it hands out parts."""

    before: str | None
    after: str | None
    asked: list[tuple[bool, int]] = field(default_factory=list)

    async def part(self, seq: int, *, letter_of: str | None, is_before: bool, offset: int) -> bytes:
        assert (seq, letter_of) == (42, "default")
        self.asked.append((is_before, offset))
        image = (self.before if is_before else self.after) or ""
        return image.encode()[offset : offset + PART_BYTES]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PART_BYTES", PART_BYTES)


def change(*, before: str | None, after: str | None, keeps_old_rows: bool = True, op: bytes = b"U") -> Event:
    table = Table(
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
    data = bodies.encode(ENCODE, replace(event, before=None, after=None, stored=stored), images)
    if isinstance(data, bytes):
        return data
    whole = b"".join([part async for part in data.parts()])
    assert len(whole) == data.size
    return whole


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
