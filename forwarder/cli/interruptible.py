"""Lets Ctrl-C end a write to a pipe that nobody reads.

The event loop is told of signals, and stands still while a write does. So the first Ctrl-C would wait until `less`, say, reads on.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[None]:
    """Meanwhile these signals raise KeyboardInterrupt at once, and do not go to the loop."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
