"""The error of this room: data that no format explains."""

from forwarder.errors import ForwarderError


class Unreadable(ForwarderError):
    """Data is no record of ours. Reaction: set it aside, and go on. The message says what is wrong, and has no value of a row in it."""
