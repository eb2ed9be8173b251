"""Cuts work on many changes into portions, each of which makes a statement that is short. Pure.

Short is: far below what a leader's lease leaves (``forwarder.delivery.lease``), and what a statement may take (``session.sql``). Whoever waits for a
row that such a statement has locked does not wait long either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

# So many rows are written in some hundredths of a second, so many bytes in some tenths.
MAX_ROWS = 500
MAX_BYTES = 16 << 20

T = TypeVar("T")


def portions(items: Sequence[T], *, size: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """The items in their order; ``size`` tells the bytes of one. None of the portions is empty, and one large item is a portion."""
    portion: list[T] = []
    portion_bytes = 0
    for item in items:
        item_bytes = size(item)
        if portion and (len(portion) >= MAX_ROWS or portion_bytes + item_bytes > MAX_BYTES):
            yield portion
            portion, portion_bytes = [], 0
        portion.append(item)
        portion_bytes += item_bytes
    if portion:
        yield portion
