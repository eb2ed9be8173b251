"""Suggests what an unknown name was meant to be. Pure."""

from collections.abc import Sequence
from difflib import get_close_matches


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of an error message about an unknown name: the name most likely meant, or all that are known."""
    matches = get_close_matches(name, known, n=1)
    return f"did you mean {matches[0]!r}?" if matches else f"known: {', '.join(known)}"
