"""What becomes of records above the stream's limit, policy by policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from forwarder.config.partition_key import KeyRule
from forwarder.config.sink_url import DEAD_LETTER, Oversize
from forwarder.errors import Oversized
from forwarder.events import CapturedTable, Event, Stored
from forwarder.listen.bodies import SplicedBodies
from forwarder.outbox.keys import member_reader
from forwarder.records.formats.encoder import Provenance
from forwarder.records.formats.native import encoder
from forwarder.records.origins import Origin, Origins
from forwarder.records.packing import Packed, Packer
from forwarder.records.partition_key import chooser

LIMIT = 10_000
ORDERS = CapturedTable(
    id=1, relation=16400, schema="public", name="orders", key_columns=(("id",),), before_image="full"
)
PROVENANCE = Provenance(origins=Origins([Origin(0, "7")]), database="shop")
SMALL = '{"id":1}'
# Nothing is read here.
NO_IMAGES: Any = None
LARGE = json.dumps({"id": 1, "note": "x" * LIMIT})


class Limits:
    max_record_bytes = LIMIT
    takes_bodies = False


def change(seq: int, *, before: str | None = None, after: str | None = SMALL, key: str = "1") -> Event:
    return Event(
        seq=seq,
        txid=1,
        at=0,
        table=ORDERS,
        partition=None,
        op=b"U",
        before=before,
        after=after,
        fault=None,
        index=1,
        count=1,
        key=f'{{"id":{key}}}',
        key_values=key,
    )


class Images:
    """Reads from the database what is large there."""

    def __init__(self, letter_of: str | None = None) -> None:
        self._letter_of = letter_of

    async def part(self, seq: int, *, letter_of: str | None, is_before: bool, offset: int) -> bytes:
        assert letter_of == self._letter_of
        return LARGE[offset:].encode()


class Streams:
    """A stream for each table; that of orders takes records of so many bytes."""

    def __init__(self, max_record_bytes: int) -> None:
        self._max_record_bytes = max_record_bytes

    def stream_of(self, table: CapturedTable) -> str:
        return f"public-{table.name}"

    def max_record_bytes_of(self, stream: str) -> int:
        return self._max_record_bytes if stream == "public-orders" else LIMIT


def packer(*, oversize: Oversize, has_barriers: bool = False, images: Any = NO_IMAGES, **options: Any) -> Packer:
    encode = encoder(PROVENANCE)
    return Packer(
        Limits(),
        origins=PROVENANCE.origins,
        encode=encode,
        encode_stored=SplicedBodies(encode, images).body,
        choose_key=chooser(KeyRule(), reader_of=member_reader),
        oversize=oversize,
        has_barriers=has_barriers,
        **options,
    )


def pack(*events: Event, oversize: Oversize = DEAD_LETTER, **options: Any) -> Packed:
    return packer(oversize=oversize, **options).pack(events, any_stored=any(event.stored for event in events))


def stored(seq: int, *, before: int | None = None, after: int | None = None) -> Event:
    """A change whose images have so many bytes, and are in the database."""
    return replace(change(seq, after=None), stored=Stored(before, after))


def contents(packed: Packed) -> Sequence[dict[str, Any]]:
    return [json.loads(record.data) for record in packed.records]


@pytest.mark.parametrize("kind", ["dead-letter", "drop-before", "stop"])
def test_what_fits_is_left_as_it_is(kind: Any) -> None:
    packed = pack(change(1), change(2), oversize=Oversize(kind=kind))

    assert [record.seq for record in packed.records] == [1, 2]
    (stretch,) = packed.stretches
    assert stretch.undelivered == {1, 2}
    assert all(record.undelivered is stretch.undelivered for record in packed.records)
    assert not packed.aside


def test_a_record_exactly_at_the_limit_fits_and_one_byte_more_does_not() -> None:
    room = LIMIT - len(pack(change(1, after='""')).records[0].data) - len("public.orders.1")

    fitting = pack(change(1, after=json.dumps("x" * room)))
    too_large = pack(change(1, after=json.dumps("x" * (room + 1))))

    assert not fitting.aside
    assert [aside.size for aside in too_large.aside] == [LIMIT + 1]


def test_a_change_that_is_too_large_is_set_aside_and_holds_nothing_up() -> None:
    packed = pack(change(1), change(2, after=LARGE), change(3))

    assert [record.seq for record in packed.records] == [1, 3]
    assert [stretch.undelivered for stretch in packed.stretches] == [{1, 3}]
    assert [(aside.seq, aside.code) for aside in packed.aside] == [(2, "oversize")]
    assert str(LIMIT) in packed.aside[0].reason


def test_each_stream_has_its_own_limit() -> None:
    items = [replace(change(seq, after=LARGE), table=ITEMS) for seq in (2, 4)]
    packed = pack(change(1, after=LARGE), items[0], change(3), items[1], streams=Streams(2 * LIMIT))

    assert [(record.seq, record.stream) for record in packed.records] == [(1, "public-orders"), (3, "public-orders")]
    assert [aside.seq for aside in packed.aside] == [2, 4]


def test_a_record_that_is_made_smaller_keeps_its_place() -> None:
    packed = pack(
        change(1, before=LARGE),
        oversize=Oversize(kind="drop-before"),
        streams=Streams(LIMIT),
        hash_key_of=lambda table: table.id,
    )

    assert [(record.stream, record.hash_key) for record in packed.records] == [("public-orders", 1)]


def test_drop_before_sends_it_without_the_old_image_and_says_so() -> None:
    packed = pack(change(1, before=LARGE), oversize=Oversize(kind="drop-before"))

    (body,) = contents(packed)
    assert body["before"] is None
    assert body["after"] == {"id": 1}
    assert body["omitted"] == ["before"]
    assert not packed.aside


def test_a_context_counts_as_bytes_of_its_record() -> None:
    told = replace(change(1), context=json.dumps("x" * LIMIT))
    assert [(aside.seq, aside.code) for aside in pack(told).aside] == [(1, "oversize")]


def test_a_record_that_is_made_smaller_keeps_its_context_and_still_says_what_else_it_lacks() -> None:
    told = replace(change(1, before=LARGE), context='{"user":"ada"}', omitted=("extra",))
    (body,) = contents(pack(told, oversize=Oversize(kind="drop-before")))
    assert body["context"] == {"user": "ada"}
    assert body["omitted"] == ["before", "extra"]


def test_drop_before_sets_aside_what_is_still_too_large() -> None:
    packed = pack(change(1, before=LARGE, after=LARGE), oversize=Oversize(kind="drop-before"))

    assert not packed.records
    assert [aside.seq for aside in packed.aside] == [1]


def test_stop_refuses_and_names_the_change_and_the_remedy() -> None:
    with pytest.raises(Oversized, match=r"change 2 of public\.orders .* update-max-record-size") as refusal:
        pack(change(1), change(2, after=LARGE), change(3, after=LARGE), oversize=Oversize(kind="stop"))
    assert refusal.value.seq == 2


async def test_s3_sends_a_pointer_and_attaches_the_record_that_would_have_been_sent_to_be_read_later() -> None:
    [whole] = encoder(PROVENANCE)([change(0x2A, before=LARGE, after=LARGE)])

    packed = pack(
        change(0x2A, before=LARGE, after=LARGE),
        oversize=Oversize(kind="s3", bucket="large", prefix="changes/"),
        images=Images(),
    )

    (body,) = contents(packed)
    attachment = packed.records[0].attachment
    assert attachment is not None
    assert (attachment.bucket, attachment.key) == ("large", "changes/public.orders/7/000000000000002a.json")
    assert attachment.body.size == len(whole)
    assert b"".join([part async for part in attachment.body.parts()]) == whole
    assert body["stored_at"] == f"s3://large/{attachment.key}"
    assert body["omitted"] == ["before", "after"]
    assert (body["before"], body["after"]) == (None, None)
    assert {name: body[name] for name in ("id", "seq", "key")} == {
        name: json.loads(whole)[name] for name in ("id", "seq", "key")
    }


ITEMS = CapturedTable(id=2, relation=16500, schema="public", name="items", key_columns=(("id",),), before_image="full")


def of_table(table: CapturedTable, *changes: tuple[int, bytes]) -> list[Event]:
    return [replace(change(seq), table=table, op=op, key=None, key_values=None) for seq, op in changes]


def stretches(packed: Packed) -> list[tuple[int, set[int], bool]]:
    return [(stretch.table, stretch.undelivered, stretch.is_barrier) for stretch in packed.stretches]


def test_the_changes_of_each_table_are_a_stretch() -> None:
    orders, items = of_table(ORDERS, (1, b"I"), (4, b"U")), of_table(ITEMS, (2, b"I"), (3, b"D"))
    packed = pack(orders[0], *items, orders[1], has_barriers=True)

    assert sorted(stretches(packed)) == [(1, {1, 4}, False), (2, {2, 3}, False)]
    assert all(record.seq in record.undelivered for record in packed.records)


def test_what_concerns_a_whole_table_stands_between_the_stretches_of_its_rows() -> None:
    orders = of_table(ORDERS, (1, b"I"), (3, b"T"), (4, b"T"), (6, b"I"), (7, b"G"), (8, b"S"))
    items = of_table(ITEMS, (2, b"I"), (5, b"I"))
    packed = pack(orders[0], items[0], *orders[1:3], items[1], *orders[3:], has_barriers=True)

    assert stretches(packed) == [
        (1, {1}, False),
        (2, {2, 5}, False),
        (1, {3, 4}, True),
        (1, {6}, False),
        (1, {7, 8}, True),
    ]
    assert all(record.seq in record.undelivered for record in packed.records)


def test_where_nothing_has_to_be_kept_in_place_all_are_one_stretch() -> None:
    packed = pack(*of_table(ORDERS, (1, b"I"), (2, b"T")), *of_table(ITEMS, (3, b"I")))

    assert [stretch.undelivered for stretch in packed.stretches] == [{1, 2, 3}]
    assert not packed.stretches[0].is_barrier


def test_a_stretch_of_which_all_is_set_aside_is_none() -> None:
    packed = pack(change(1, after=LARGE), *of_table(ORDERS, (2, b"T")), has_barriers=True)

    assert stretches(packed) == [(1, {2}, True)]


def test_a_change_whose_images_are_in_the_database_is_measured_by_their_lengths() -> None:
    [fetched] = pack(change(1, before=LARGE, after=LARGE)).aside
    [measured] = pack(stored(1, before=len(LARGE), after=len(LARGE))).aside

    assert measured == fetched


def test_what_the_stream_takes_after_all_is_to_be_read_and_keeps_what_follows_it_behind_it() -> None:
    packed = pack(change(1), stored(2, after=100), change(3))

    assert [record.seq for record in packed.records] == [1]
    assert [(record.seq, record.body is None) for record in packed.later] == [(2, False), (3, True)]
    [stretch] = packed.stretches
    assert stretch.undelivered == {1, 2, 3}
    assert all(record.undelivered is stretch.undelivered for record in packed.later)
    assert packed.later[0].size == len(pack(change(2, after=json.dumps("x" * 98))).records[0].data) + len(
        "public.orders.1"
    )


def test_drop_before_needs_only_the_new_image_of_what_is_in_the_database() -> None:
    packed = pack(stored(1, before=LIMIT, after=100), oversize=Oversize(kind="drop-before"))

    [record] = packed.later
    assert record.body is not None
    assert record.body.size < 500


def test_s3_attaches_what_is_in_the_database_without_having_it() -> None:
    packed = pack(stored(1, before=LIMIT, after=LIMIT), oversize=Oversize(kind="s3", bucket="large"))

    [body] = contents(packed)
    attachment = packed.records[0].attachment
    assert (body["before"], body["after"], body["omitted"]) == (None, None, ["before", "after"])
    assert attachment is not None
    assert attachment.body.size > 2 * LIMIT


async def test_s3_attaches_what_is_a_dead_letter_as_one() -> None:
    letters = packer(oversize=Oversize(kind="s3", bucket="large"), images=Images(letter_of="default"))

    [record] = letters.for_letters("default").pack([change(1, after=LARGE)]).records

    assert record.attachment is not None
    assert json.loads(b"".join([part async for part in record.attachment.body.parts()]))["after"] == json.loads(LARGE)


def test_what_is_too_large_even_without_its_images_is_set_aside_where_the_others_go_to_s3() -> None:
    packed = pack(change(1, after=SMALL, key=json.dumps("k" * LIMIT)), oversize=Oversize(kind="s3", bucket="large"))

    assert not packed.records
    assert [aside.seq for aside in packed.aside] == [1]


def test_an_event_that_the_format_has_no_record_for_counts_as_delivered() -> None:
    told = encoder(PROVENANCE)
    quiet = Packer(
        Limits(),
        origins=PROVENANCE.origins,
        encode=lambda events: [
            b"" if event.seq == 2 else data for event, data in zip(events, told(events), strict=True)
        ],
        encode_stored=NO_IMAGES,
        choose_key=chooser(KeyRule(), reader_of=member_reader),
    )
    packed = quiet.pack([change(1), change(2), change(3)])
    assert [record.seq for record in packed.records] == [1, 3]
    assert packed.untold == 1
    assert [stretch.undelivered for stretch in packed.stretches] == [{1, 3}]
    assert quiet.pack([change(2)]).is_delivered


def test_an_event_that_its_format_fails_at_is_set_aside_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def encode(events: Sequence[Event]) -> list[bytes]:
        for event in events:
            if event.seq == 2:
                raise ValueError(f"a row {event.after} that nobody has thought of")
        return encoder(PROVENANCE)(events)

    failing = Packer(
        Limits(),
        origins=PROVENANCE.origins,
        encode=encode,
        encode_stored=NO_IMAGES,
        choose_key=chooser(KeyRule(), reader_of=member_reader),
    )
    packed = failing.pack([change(1), change(2), change(3)])
    assert [record.seq for record in packed.records] == [1, 3]
    [aside] = packed.aside
    assert (aside.seq, aside.code) == (2, "not-encoded")
    assert aside.reason.startswith("its format fails with ValueError at encode, line ")
    assert SMALL not in caplog.text
