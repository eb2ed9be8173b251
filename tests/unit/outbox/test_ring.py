from __future__ import annotations

import pytest

from forwarder.outbox.ring import EARLY_LEAVES, LEAVES, MIN_OPEN_SECONDS, OPEN_PART, Leaf, Ring, has_hole

HOUR = 3600.0
DAY = 24 * HOUR


def leaf(number: int, *, age_seconds: float | None = 2 * DAY, is_empty: bool = False) -> Leaf:
    return Leaf(
        number=number,
        name=f"forwarder.outbox_{number}",
        is_empty=is_empty,
        bytes=8192,
        newest_seq=None if age_seconds is None else number,
        newest_age_seconds=age_seconds,
    )


def ring(*leaves: Leaf, last_seq: int = 0, open_seconds: float | None = None) -> Ring:
    """A ring of leaves of 1024 events; those that are not given are full of old changes."""
    by_number = {each.number: each for each in leaves}
    return Ring(
        leaves=[by_number.get(number, leaf(number)) for number in range(LEAVES)],
        leaf_events=1024,
        last_seq=last_seq,
        open_seconds=open_seconds,
    )


def numbers(ring: Ring, *, retention_seconds: float = DAY) -> list[int]:
    return [each.number for each, _ in ring.to_reclaim(retention_seconds=retention_seconds)]


@pytest.mark.parametrize("last_seq", [0, 1, 1023, 1024, 5 * 1024, 8 * 1024 - 1, 8 * 1024, 123_456_789])
def test_the_leaf_in_use_and_the_next_are_never_tried(last_seq: int) -> None:
    in_use = last_seq // 1024 % 8

    assert numbers(ring(last_seq=last_seq), retention_seconds=0) == [(in_use + offset) % 8 for offset in range(2, 8)]


def test_a_leaf_younger_than_the_retention_is_left_alone() -> None:
    assert numbers(ring(leaf(6, age_seconds=DAY - 1), leaf(7, age_seconds=DAY))) == [2, 3, 4, 5, 7]


def test_the_leaves_that_writers_need_soon_may_be_emptied_before_their_time() -> None:
    young = ring(*(leaf(number, age_seconds=1.0) for number in range(LEAVES)))

    assert young.to_reclaim(retention_seconds=DAY) == [(young.leaves[number], 0.0) for number in (2, 3)]


def test_an_empty_leaf_is_left_alone_and_one_of_rolled_back_changes_is_not() -> None:
    assert numbers(ring(leaf(4, age_seconds=None, is_empty=True), leaf(5, age_seconds=None))) == [2, 3, 5, 6, 7]


@pytest.mark.parametrize(("open_seconds", "count"), [(None, 0), (6 * HOUR - 1, 0), (6 * HOUR, 924), (7 * HOUR, 924)])
def test_the_leaf_in_use_is_closed_after_a_quarter_of_the_retention(open_seconds: float | None, count: int) -> None:
    assert ring(last_seq=100, open_seconds=open_seconds).to_draw(retention_seconds=DAY) == count


@pytest.mark.parametrize("last_seq", [1, 1023, 1024, 2047, 8191])
def test_what_is_drawn_leads_into_the_next_leaf(last_seq: int) -> None:
    before = ring(last_seq=last_seq, open_seconds=DAY)
    after = ring(last_seq=last_seq + before.to_draw(retention_seconds=0))

    assert after.ahead[0].number == before.ahead[1].number
    assert after.last_seq % 1024 == 0


def test_without_retention_the_leaf_in_use_is_not_closed_all_the_time() -> None:
    assert ring(open_seconds=MIN_OPEN_SECONDS - 1).to_draw(retention_seconds=0) == 0
    assert ring(open_seconds=MIN_OPEN_SECONDS).to_draw(retention_seconds=0) > 0


def test_on_a_quiet_system_no_leaf_is_emptied_before_its_time() -> None:
    # Closed by time alone, a leaf has been closed for this long when writers are so near that it counts as needed.
    leaves_since = LEAVES - (1 + EARLY_LEAVES) - 1
    assert leaves_since * OPEN_PART >= 1


@pytest.mark.parametrize(
    ("seqs", "jumps", "is_hole"),
    [
        ([15, 16, 31, 47], [], False),
        ([15, 32], [], True),
        ([15, 32], [16], False),
        ([15, 32], [15], True),
        ([15, 1600], [40, 1600], False),
        ([15], [], False),
    ],
)
def test_a_hole_is_a_whole_leaf_that_no_jump_explains(seqs: list[int], jumps: list[int], *, is_hole: bool) -> None:
    assert has_hole(seqs, leaf_events=16, jumps=jumps) == is_hole
