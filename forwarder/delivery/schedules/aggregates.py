"""With aggregation a record takes along what waits behind it in its lane: one Kinesis record, stored whole or not at all. Pure.

The record at the head of a lane is called head, and those it takes along its followers. They are offered, put back and settled with it.

Example: records 1 to 6 wait in one lane, and an aggregate has room for four.

    gather     head 1, followers 2 3 4        behind it 5 6
    put back   head 1, followers 2 3 4        the same again, since it may have been stored; 5 and 6 do not join
    part       head 1, follower 2             behind it 3 (with its follower 4), 5, 6

``part`` is for an aggregate that is refused for good: it is halved until the record is found that is at fault. A half gathers no others.
"""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.records import kpl
from forwarder.records.record import Record


def gather(head: Record, size: int, *, room: int, limit: int) -> tuple[int, Sequence[Record]]:
    """The size of a head, which alone has ``size`` bytes, with its followers, and the followers: there are three cases.

    1. It has followers already, and keeps them.
    2. It has been offered alone before, or nothing waits behind it: none.
    3. Else as many are taken out of the lane as make an aggregate of at most ``limit`` bytes that fits into the ``room`` of the request.
       The first to stay behind is one with an attachment, one that was offered before, one that is too large, or one of another table
       that is to go to another shard.
    """
    behind = head.behind or []
    if not head.followers and (head.attempts or not behind):
        return size, ()
    # Data and partition key, as an aggregate of the head alone would have them.
    hash_key = head.hash_key
    overhead = kpl.overhead_bytes(head.partition_key, hash_key)
    total = size - len(head.data) + overhead + kpl.entry_bytes(len(head.data), hash_key)
    if head.followers:
        return total + sum(kpl.entry_bytes(len(record.data), hash_key) for record in head.followers), head.followers
    limit = min(room, limit)
    followers: list[Record] = []
    for record in behind:
        more = total + kpl.entry_bytes(len(record.data), hash_key)
        if more > limit or record.attachment or record.attempts or record.hash_key != hash_key:
            break
        followers.append(record)
        total = more
    del behind[: len(followers)]
    return (total, followers) if followers else (size, ())


def part(head: Record) -> None:
    """Halve an offered aggregate: the first half stays with the head, and the second is an aggregate behind it in the lane.

    Both count as offered before, so neither gathers others.
    """
    together = (head, *head.followers)
    middle = len(together) // 2
    second, behind = together[middle], head.behind
    assert behind is not None, "followers have waited in it"
    head.followers, second.followers = together[1:middle], together[middle + 1 :]
    head.attempts = second.attempts = max(1, head.attempts)
    behind.insert(0, second)


def send_back(head: Record, followers: Sequence[Record]) -> None:
    """Put ``followers`` back into the lane that a head has just gathered and was not offered with. Those of before it keeps."""
    if not head.followers and head.behind is not None:
        head.behind[:0] = followers
