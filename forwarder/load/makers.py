"""Which transaction has made a row, told from the row's xmin. Pure.

``xmin`` has the last 32 bits of the transaction's id, and keeps them for as long as the row stays: also when it was frozen, and the ids have
gone round since. So of the ids that end with these bits, the last one that was given out is taken for the maker's. It may be that of a
later transaction, if the row is older than 2^32 transactions.
"""

from __future__ import annotations

from enum import Enum, auto

from forwarder.outbox.position import Snapshot

# How many numbers an xmin can have.
TURN = 1 << 32
# Below are numbers that PostgreSQL has for rows that everybody sees: 1 and 2.
_FIRST = 3


class Age(Enum):
    """Whether a row is from before the beginning of a load, and is to be loaded."""

    OLD = auto()
    NEW = auto()
    # It seems to be old; but a transaction that was running at the beginning may have made it, in a savepoint, which has an id of its own.
    SEEMS_OLD = auto()
    # It seems to be new; but it may have been frozen when the ids had not gone round yet.
    SEEMS_NEW = auto()


def maker(xmin: int, now: Snapshot) -> int:
    """The transaction that has made a row which ``now`` sees; negative, if there has been none with such an id."""
    if xmin < _FIRST:
        return xmin
    newest = now.xmax - 1
    return newest - (newest - xmin) % TURN


def age(xmin: int, begun: Snapshot, now: Snapshot) -> Age:
    """When a row that ``now`` sees was made, seen from the snapshot at the beginning of a load."""
    txid = maker(xmin, now)
    if not begun.sees(txid):
        return Age.SEEMS_NEW if now.xmax > TURN else Age.NEW
    return Age.SEEMS_OLD if begun.running and txid >= begun.xmin else Age.OLD
