"""The error of this room: data that no format explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from forwarder.errors import ForwarderError

if TYPE_CHECKING:
    from forwarder.consumer.change import Change


class Unreadable(ForwarderError):
    """Data, or a part of it, is no record of ours. Reaction: handle ``changes``, set the data aside, and go on.

    The message says what is wrong with the first such part, and has no value of a row in it. ``changes`` are those of all other parts, in their
    order, and ``count`` says how many parts could not be read.
    """

    def __init__(self, message: str, *, changes: Sequence[Change] = (), count: int = 1) -> None:
        super().__init__(message)
        self.changes = changes
        self.count = count


# Is told what cannot be read, where the caller goes on behind it.
Tell = Callable[[Unreadable], None]
