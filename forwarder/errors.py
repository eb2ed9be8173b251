"""One error class for each reaction. The message is one line: what happened, to what, and the remedy; never a value."""

from collections.abc import Iterator
from contextlib import contextmanager


class ForwarderError(Exception):
    """An error that a user can cause or must act on: shown as one line, without a traceback."""

    exit_code = 1


class Misconfigured(ForwarderError):
    """A setting, flag or URL is wrong. Reaction: stop before anything is touched (exit status 2)."""

    exit_code = 2


class Refused(ForwarderError):
    """Waiting cannot mend it: wrong password, no such stream, no schema. Reaction: stop and tell the operator."""


class Invalid(Refused):
    """The far side refuses a request for what is in it. Reaction: find the record, set it aside, go on with the others.

    ``code`` is the far side's own word for it. The message may quote the record: it is not for logs.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Oversized(Refused):
    """The change with this ``seq`` is too large for the sink, and not to be passed. Reaction: deliver what is before it, then stop."""

    def __init__(self, message: str, *, seq: int) -> None:
        super().__init__(message)
        self.seq = seq


class Gone(Refused):
    """The far side has left for good. Reaction: stop, even after things went well for long."""


class Vanished(Refused):
    """A dead letter that was to be sent is not there any more: somebody has given it up. Reaction: do not send it."""


class Unavailable(ForwarderError):
    """The far side does not answer, or not now. Reaction: try again later."""


class Torn(Unavailable):
    """What is being read was taken away before its end. Reaction: read it from the beginning; it says what there is instead."""


class TooLarge(Unavailable):
    """A request is refused for its size, and nothing of it is stored. Reaction: send the same in smaller ones."""


class Conflict(Unavailable):
    """The database undid our transaction for the sake of another one. Reaction: do the same again at once, on the same session."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise, for the group of errors that a task group ends in, the one that says what to do.

    Of several, a refusal wins over what may pass. An error that is neither is a bug and leaves as it came.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        known, bugs = group.split(ForwarderError)
        if bugs or known is None:
            raise
        refusals = known.subgroup(Refused)
        raise _first(refusals or known) from None


def _first(group: BaseExceptionGroup[ForwarderError]) -> ForwarderError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
