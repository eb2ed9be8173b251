"""Lists of names for messages. Pure."""

from collections.abc import Sequence

# How many are named. Of a thousand tables nobody reads all names.
_MAX_NAMES = 5


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
