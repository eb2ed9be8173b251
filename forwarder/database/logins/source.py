"""What a session is opened with, and where that comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from forwarder.database.connection_target import ConnectionTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where a session goes, as whom, and by which password."""

    target: ConnectionTarget
    # One for each place of the target, in their order. None: that of the target's dsn counts, if it has one.
    passwords: tuple[str, ...] | None = field(default=None, repr=False)


class Source(Protocol):
    """One way to log in. It belongs to all sessions of a process."""

    @property
    def told(self) -> str:
        """Where the password comes from, for messages: ``the secret NAME``."""
        ...

    @property
    def remedy(self) -> str:
        """What to do if the server refuses it."""
        ...

    @property
    def is_renewed(self) -> bool:
        """Whether somebody may put another password there while we run, so that a refusal may pass once we have been let in."""
        ...

    def target(self) -> ConnectionTarget:
        """Where it leads to, as far as that is known without asking anybody.

        Raises:
            Misconfigured: the URL, or what stands beside it, cannot be used.
        """
        ...

    async def login(self) -> Login:
        """What to open a session with. It never blocks the event loop.

        Raises:
            Misconfigured, Refused: it cannot be had.
            Unavailable: it cannot be had now.
        """
        ...

    async def another(self, refused: Login) -> Login | None:
        """Another one, after the server has refused this; None: there is none right now.

        Raises:
            Misconfigured, Refused, Unavailable: as ``login``.
        """
        ...


def in_turn(passwords: Sequence[str]) -> Callable[[], str]:
    """What asyncpg calls for each place that it tries, in their order. The last one counts for all places after it.

    Where no host is named, asyncpg tries several folders for the socket, which are one place to us.
    """
    left = list(passwords)
    return lambda: left.pop(0) if len(left) > 1 else left[0]
