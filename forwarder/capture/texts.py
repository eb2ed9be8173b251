"""Texts for people. Pure."""

from collections.abc import Sequence

# So many are named; of a thousand it is enough to know of what kind they are.
_MAX_NAMES = 5


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
