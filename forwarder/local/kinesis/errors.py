"""What the API answers when it refuses: AWS's error types and, as near as is known, AWS's wording.

The wording comes from the AWS SDK model, from kinesalite's black-box tests of the real service, and from issue threads
that quote it. ``ValidationException`` reports live in ``constraints``.
"""


class KinesisError(Exception):
    """The request is refused as a whole: ``kind`` becomes ``__type``, ``status`` the HTTP status."""

    def __init__(self, kind: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status


def invalid_argument(message: str) -> KinesisError:
    return KinesisError("InvalidArgumentException", message)


def limit_exceeded(message: str) -> KinesisError:
    return KinesisError("LimitExceededException", message)


def not_found(message: str) -> KinesisError:
    return KinesisError("ResourceNotFoundException", message)


def in_use(message: str) -> KinesisError:
    return KinesisError("ResourceInUseException", message)


def throttled(message: str) -> KinesisError:
    return KinesisError("ProvisionedThroughputExceededException", message)


def dry_run() -> KinesisError:
    """The answer to a request with ``DryRun`` that would have succeeded."""
    return KinesisError(
        "DryRunOperationException", "Request would have succeeded, but the DryRun parameter was specified."
    )


def unknown_operation(name: str) -> KinesisError:
    """AWS says no word of it; whoever calls a stand-in would like to know what it lacks."""
    return KinesisError("UnknownOperationException", f"This local Kinesis has no operation {name!r}.")


def serialization(message: str) -> KinesisError:
    """The body is not JSON, or a member has the wrong type."""
    return KinesisError("SerializationException", message)
