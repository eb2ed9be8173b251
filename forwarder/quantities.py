"""Sizes and spans of time as people read them. Pure."""

_BYTES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def size(number: int) -> str:
    """Bytes in the largest fitting unit: ``3.1 MB``."""
    for unit, factor in _BYTES:
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} bytes"


def duration(seconds: float) -> str:
    """``4.2 s``, ``38 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
