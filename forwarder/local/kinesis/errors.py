"""The errors of the API, under AWS's names and, as far as they are known, in AWS's words.

Sources of the words: the model in the AWS SDK, kinesalite's black-box tests of the real service, and issue threads that quote them. Those
of ``ValidationException`` are in ``constraints``.
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
    """AWS has no message for this. A stand-in should say what it lacks."""
    return KinesisError("UnknownOperationException", f"This local Kinesis has no operation {name!r}.")


def serialization(message: str) -> KinesisError:
    """The body is neither JSON nor CBOR, as it claims to be, or a member has the wrong type."""
    return KinesisError("SerializationException", message)
