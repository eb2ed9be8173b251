"""One error class for each reaction. The message is one line: what happened, to what, and the remedy; never a value."""


class ForwarderError(Exception):
    """An error that a user can cause or must act on: shown as one line, without a traceback."""

    exit_code = 1


class Misconfigured(ForwarderError):
    """A setting, flag or URL is wrong. Reaction: stop before anything is touched (exit status 2)."""

    exit_code = 2


class Refused(ForwarderError):
    """Waiting cannot mend it: wrong password, no such stream, no schema. Reaction: stop and tell the operator."""


class Gone(Refused):
    """The far side has left for good. Reaction: stop, even after things went well for long."""


class Unavailable(ForwarderError):
    """The far side does not answer, or not now. Reaction: try again later."""
