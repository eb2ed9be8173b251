"""What each error of the AWS client means to us, and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import botocore.exceptions

from forwarder.errors import Invalid, Refused, Unavailable

# What waiting cannot mend when it is met at start, and the remedy.
_REFUSALS = {
    "ResourceNotFoundException": "create the stream, or correct its name or region in the sink's URL",
    "AccessDeniedException": "allow what deploy/ecs/task-policy.json allows on it",
    "UnrecognizedClientException": "check the AWS credentials",
    "InvalidSignatureException": "check the AWS credentials and this machine's clock",
    "InvalidClientTokenId": "check the AWS credentials",
    "MissingAuthenticationTokenException": "check the AWS credentials",
    "UnknownOperationException": "check endpoint_url in the sink's URL: it does not speak Kinesis",
}

# What is wrong with a request, or with one of its records: it would be refused again.
INVALID = {
    "ValidationException": "correct the stream's name in the sink's URL",
    "InvalidArgumentException": "correct the stream's name in the sink's URL",
    "SerializationException": "check endpoint_url in the sink's URL: it does not speak Kinesis",
}

_MISSING_SETTINGS: dict[type[Exception], str] = {
    botocore.exceptions.NoRegionError: "add ?region=… to the sink's URL, or set AWS_REGION",
    botocore.exceptions.NoCredentialsError: "give the task a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    botocore.exceptions.PartialCredentialsError: "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    botocore.exceptions.InvalidRegionError: "correct the region in the sink's URL",
    botocore.exceptions.ProfileNotFound: "correct AWS_PROFILE",
    ValueError: "correct endpoint_url in the sink's URL",
}

_PASSING = (botocore.exceptions.BotoCoreError, aiohttp.ClientError, OSError, TimeoutError)


@contextmanager
def errors_of(stream: str) -> Iterator[None]:
    """Raise what botocore and aiohttp raise as the errors of this program.

    Raises:
        Invalid: the request itself is refused; the remedy is for one that holds no records.
        Refused: waiting cannot mend it.
        Unavailable: it may pass.
    """
    try:
        yield
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"].get("Code", "Unknown")
        message = f"stream {stream}: {code}: {error.response['Error'].get('Message', '')}"
        if code in INVALID:
            raise Invalid(f"{message}; {INVALID[code]}", code=code) from error
        if code in _REFUSALS:
            raise Refused(f"{message}; {_REFUSALS[code]}") from error
        raise Unavailable(message) from error
    except tuple(_MISSING_SETTINGS) as error:
        remedy = next(remedy for kind, remedy in _MISSING_SETTINGS.items() if isinstance(error, kind))
        raise Refused(f"stream {stream}: {error}; {remedy}") from error
    except _PASSING as error:
        raise Unavailable(f"stream {stream}: {error or type(error).__name__}") from error
