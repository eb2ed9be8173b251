"""How many connections the process may have open, so that viewers take none that delivery needs.

Each is a file descriptor. Many systems let a process have 1,024 at first, and more if it asks.
"""

from __future__ import annotations

import resource
from contextlib import suppress

# For the database, the sinks and files.
RESERVED = 512


def make_room(wanted: int) -> int:
    """Ask for so many descriptors beside those that are reserved; as many as there are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        # macOS has a limit of its own below the one it tells.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(0, min(wanted, soft - RESERVED))
