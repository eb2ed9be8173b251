"""Sequence numbers: 56 digits that rise within a shard and from a parent to its children. Pure.

The layout is that of real Kinesis as far as it is known (kinesalite found it by black-box tests). Written in hexadecimal, a number has 47
digits; from the left:

==========  ==========================================================
1           ``2``
9           the second of the shard's creation
1           the last digit of the shard's number
16          the index of the record in the shard, from 1
2           ``00``
9           the second of the record's arrival
8           the shard's number
1           ``2``
==========  ==========================================================
"""

from dataclasses import dataclass

_TOP_SHIFT = 4 * 46
_CREATED_SHIFT = 4 * 37
_NIBBLE_SHIFT = 4 * 36
_INDEX_SHIFT = 4 * 20
_ARRIVED_SHIFT = 4 * 9
_SHARD_SHIFT = 4
_LAST_INDEX = (1 << 63) - 1
_HEX_DIGITS = 47


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceNumber:
    """What is read out of a sequence number."""

    shard_number: int
    shard_created_second: int
    index: int

    @classmethod
    def parse(cls, text: str) -> "SequenceNumber":
        """Read a sequence number.

        Raises:
            ValueError: it is not of this layout.
        """
        digits = f"{int(text):x}"
        if len(digits) != _HEX_DIGITS or digits[0] != "2" or digits[-1] != "2":
            raise ValueError("not a sequence number")
        return cls(
            shard_number=int(digits[38:46], 16),
            shard_created_second=int(digits[1:10], 16),
            index=int(digits[11:27], 16),
        )


class Numbering:
    """The sequence numbers of one shard."""

    __slots__ = ("_stem",)

    def __init__(self, *, shard_number: int, created_second: int) -> None:
        self._stem = (
            (2 << _TOP_SHIFT)
            | (created_second << _CREATED_SHIFT)
            | ((shard_number & 0xF) << _NIBBLE_SHIFT)
            | (shard_number << _SHARD_SHIFT)
            | 2
        )

    def at(self, index: int, *, second: int) -> str:
        """The number of the record at ``index`` that arrived in ``second`` (of the Unix epoch)."""
        return str(self._stem + (index << _INDEX_SHIFT) + (second << _ARRIVED_SHIFT))

    def last(self, *, second: int) -> str:
        """The number that closes the shard: above that of any record in it, below that of any record in a child."""
        return self.at(_LAST_INDEX, second=second)
