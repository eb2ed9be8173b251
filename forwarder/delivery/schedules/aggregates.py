"""With aggregation a head takes what waits behind it in its lane along: one Kinesis record, stored whole or not at all. Pure.

These are its followers; they are offered, put back and settled with it. A head that comes back keeps the followers it had, and no other
join it: what was perhaps stored is sent again as it was. If they are refused for good together, ``part`` leaves the head half of them; the
others wait behind it, and travel together when it is their turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.records import kpl
from forwarder.records.record import Lane, Record


def lane_of(head: Record) -> Lane:
    """The lane that it is at the head of."""
    assert head.lane is not None, "only heads of lanes are offered"
    return head.lane


def gather(head: Record, size: int, *, room: int, limit: int) -> tuple[int, Sequence[Record]]:
    """The followers of a head, whose size alone is ``size`` bytes, and the size of them all together.

    They are taken out of the lane, as many as make an aggregate of at most ``limit`` bytes that has room in the request.
    """
    behind = lane_of(head).behind
    if not head.followers and (head.attempts or not behind):
        return size, ()
    total = size - len(head.data) + kpl.overhead_bytes(head.partition_key) + kpl.entry_bytes(len(head.data))
    if head.followers:
        return total + sum(kpl.entry_bytes(len(record.data)) for record in head.followers), head.followers
    limit = min(room, limit)
    followers: list[Record] = []
    while behind and not (behind[0].attachment or behind[0].attempts):
        more = total + kpl.entry_bytes(len(behind[0].data))
        if more > limit:
            break
        followers.append(behind.popleft())
        total = more
    return (total, followers) if followers else (size, ())


def part(head: Record) -> None:
    """Leave an offered head the first half of what it travels with; the rest is next, and together, in its lane.

    Neither half takes others along: so what is at fault is found.
    """
    together = (head, *head.followers)
    middle = len(together) // 2
    second, behind = together[middle], lane_of(head).behind
    assert behind is not None, "followers have waited in it"
    head.followers, second.followers = together[1:middle], together[middle + 1 :]
    head.attempts = second.attempts = max(1, head.attempts)
    behind.appendleft(second)


def send_back(head: Record, followers: Sequence[Record]) -> None:
    """Let followers wait again that a head has gathered in vain; it keeps those it was offered with before."""
    behind = lane_of(head).behind
    if not head.followers and behind is not None:
        behind.extendleft(reversed(followers))
