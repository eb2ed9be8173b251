from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from forwarder.local.kinesis.sequence import Numbering, SequenceNumber
from forwarder.local.kinesis.shards import HASH_SPACE, HashRing, Shard, by_hash, merge, rescale, split, uniform

NOW = 1_767_000_000.5


def covers_the_hash_space_once(shards: list[Shard]) -> bool:
    ring = by_hash(shards)
    joined = all(lower.last_hash + 1 == upper.first_hash for lower, upper in pairwise(ring))
    return joined and ring[0].first_hash == 0 and ring[-1].last_hash == HASH_SPACE - 1


@st.composite
def lineages(draw: st.DrawFn) -> list[Shard]:
    """The history of a stream after any sequence of splits, merges and rescalings."""
    shards = uniform(draw(st.integers(1, 6)), now=NOW)
    for _ in range(draw(st.integers(0, 8))):
        ring = by_hash(shards)
        chosen = draw(st.integers(0, len(ring) - 1))
        step = draw(st.sampled_from(["split", "merge", "rescale"]))
        if step == "split" and ring[chosen].last_hash - ring[chosen].first_hash > 1:
            boundary = draw(st.integers(ring[chosen].first_hash + 1, ring[chosen].last_hash))
            shards = split(shards, ring[chosen].number, at=boundary, now=NOW)
        elif step == "merge" and chosen + 1 < len(ring):
            shards = merge(shards, ring[chosen].number, ring[chosen + 1].number, now=NOW)
        elif step == "rescale":
            shards = rescale(shards, draw(st.integers(1, 12)), now=NOW)
    return shards


@given(shards=lineages())
def test_open_shards_cover_the_hash_space_exactly_once(shards: list[Shard]) -> None:
    assert covers_the_hash_space_once(shards)


@given(shards=lineages())
def test_a_childs_sequence_numbers_exceed_those_of_its_parents(shards: list[Shard]) -> None:
    for child in shards:
        for parent in (shards[number] for number in child.parents):
            last = Numbering(shard_number=parent.number, created_second=parent.created_second).last(second=int(NOW))
            first = Numbering(shard_number=child.number, created_second=child.created_second).at(0, second=0)
            assert int(first) > int(last)


@given(shards=lineages())
def test_only_parents_are_closed(shards: list[Shard]) -> None:
    parents = {number for shard in shards for number in shard.parents}
    assert {shard.number for shard in shards if not shard.is_open} == parents


@given(shards=lineages(), hash_key=st.integers(0, HASH_SPACE - 1))
def test_the_ring_finds_the_open_shard_whose_range_holds_the_hash_key(shards: list[Shard], hash_key: int) -> None:
    found = shards[HashRing(shards).number_of(hash_key)]
    assert found.is_open
    assert found.first_hash <= hash_key <= found.last_hash


@given(shards=lineages(), count=st.integers(1, 20))
def test_rescaling_leaves_as_many_equally_wide_shards_as_asked_for(shards: list[Shard], count: int) -> None:
    ring = by_hash(rescale(shards, count, now=NOW))
    assert [shard.first_hash for shard in ring] == [index * (HASH_SPACE // count) for index in range(count)]


def test_doubling_splits_each_shard_in_the_middle() -> None:
    shards = rescale(uniform(2, now=NOW), 4, now=NOW)
    assert [(shard.number, shard.parents) for shard in shards] == [
        (0, ()),
        (1, ()),
        (2, (0,)),
        (3, (0,)),
        (4, (1,)),
        (5, (1,)),
    ]


def test_three_shards_have_the_ranges_that_aws_gives_them() -> None:
    assert uniform(3, now=NOW)[2].first_hash == 226854911280625642308916404954512140970


@given(
    shard_number=st.integers(0, 19_999),
    created_second=st.integers(1_600_000_000, 4_000_000_000),
    index=st.integers(0, 1 << 40),
    second=st.integers(1_600_000_000, 4_000_000_000),
)
def test_a_sequence_number_has_56_digits_and_tells_where_it_came_from(
    shard_number: int, created_second: int, index: int, second: int
) -> None:
    text = Numbering(shard_number=shard_number, created_second=created_second).at(index, second=second)
    assert len(text) == 56
    assert SequenceNumber.parse(text) == SequenceNumber(
        shard_number=shard_number, shard_created_second=created_second, index=index
    )


@given(index=st.integers(0, 1 << 40), earlier=st.integers(0, 1 << 34), later=st.integers(0, 1 << 34))
def test_sequence_numbers_rise_with_the_index_whatever_the_clock_does(index: int, earlier: int, later: int) -> None:
    numbering = Numbering(shard_number=3, created_second=int(NOW))
    assert int(numbering.at(index, second=earlier)) < int(numbering.at(index + 1, second=later))
