"""The errors of this program, one class for each reaction.

A message is one line that says what happened, to what, and what to do. It has no value of a row in it, and no password:

    stream changes: ResourceNotFoundException: …; create the stream, or correct its name or region in the sink's URL
"""

from collections.abc import Iterator
from contextlib import contextmanager


class ForwarderError(Exception):
    """An error that a user can cause or must act on: shown as one line, without a traceback."""

    exit_code = 1


class Misconfigured(ForwarderError):
    """A setting, flag or URL is wrong. Reaction: stop before anything is done (exit status 2)."""

    exit_code = 2


class Refused(ForwarderError):
    """Waiting cannot mend it: wrong password, no such stream, no schema. Reaction: stop and tell the operator."""


class Invalid(Refused):
    """The sink refuses a request for what is in it. Reaction: find the record, set it aside, go on with the others.

    ``code`` is the sink's own name for the error. The message may quote the record, so it is not for logs.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Oversized(Refused):
    """Change ``seq`` is too large for the sink, and ``oversize=stop`` is set. Reaction: deliver what is before it, then stand still."""

    def __init__(self, message: str, *, seq: int) -> None:
        super().__init__(message)
        self.seq = seq


class Gone(Refused):
    """The reader of standard output has left, and cannot come back. Reaction: stop, however long all went well before."""


class Vanished(Refused):
    """A dead letter that was to be sent again has been discarded meanwhile. Reaction: do not send it."""


class LoadFailed(ForwarderError):
    """A table cannot be loaded, for a reason that is its own. Reaction: say so of this load, and go on with the others."""


class Rewritten(LoadFailed):
    """A table without a key has been written anew (VACUUM FULL, say), so that nobody knows which rows were read. Reaction: begin its load again."""


class Unavailable(ForwarderError):
    """The database or the sink does not answer, or refuses for now. Reaction: try again later."""


class Deposed(Unavailable):
    """Somebody else leads the sink, or may by now. Reaction: send nothing more, and ask for the leadership again."""


class Torn(Unavailable):
    """An image was taken out of the outbox while it was being read. Reaction: read it from its beginning, to learn what is there now."""


class TableBusy(Unavailable):
    """Somebody has a table locked, or waits for a lock that excludes us. Reaction: read others, and this one later."""


class TooLarge(Unavailable):
    """A request is refused for its size, and nothing of it is stored. Reaction: send its records in smaller requests."""


class Conflict(Unavailable):
    """The database rolled our transaction back for the sake of another: a deadlock, say. Reaction: do it again at once."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise one error in place of the group that a task group raises: the first that waiting cannot mend, else the first.

    If an error in the group is not of this program, it is a bug, and the group is raised as it is.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        known, bugs = group.split(ForwarderError)
        if bugs or known is None:
            raise
        _, lasting = known.split(Unavailable)
        raise _first(lasting or known) from None


def _first(group: BaseExceptionGroup[ForwarderError]) -> ForwarderError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
