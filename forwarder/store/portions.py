"""Cuts work on many changes into portions, each small enough for a short statement. Pure.

A statement has to be far shorter than a leader's lease (15 s, ``forwarder.delivery.lease``) and than the statement_timeout (``session.sql``). And
whoever waits for a row that it has locked should not wait long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

# 500 rows are written in some hundredths of a second, 16 MiB in some tenths.
MAX_ROWS = 500
MAX_BYTES = 16 << 20

T = TypeVar("T")


def portions(items: Sequence[T], *, size: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """The items in their order, cut into portions; ``size`` tells the bytes of an item. An item above the limit is a portion by itself."""
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
