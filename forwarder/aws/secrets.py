"""Reads one secret of AWS Secrets Manager, and says what its errors mean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

from forwarder import __version__
from forwarder.aws import redaction
from forwarder.aws.call import aws_call
from forwarder.aws.errors import IDENTITY_REFUSALS, code_of
from forwarder.aws.http_session import StraightSession
from forwarder.aws.session import plain_session
from forwarder.errors import Misconfigured, Refused

_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]+):\d{12}:secret:.+")
# What waiting cannot mend, and the remedy. Secrets Manager has no error of its own for a lack of rights to the key.
_REFUSALS = {
    **IDENTITY_REFUSALS,
    "ResourceNotFoundException": "correct secret or region in [database], or give the secret its first value",
    "AccessDeniedException": "allow secretsmanager:GetSecretValue on it, and kms:Decrypt on its key if that is one of your own",
    "DecryptionFailure": "allow kms:Decrypt on its KMS key, and see whether that is enabled",
    "InvalidRequestException": "see whether it is to be deleted: restore it (aws secretsmanager restore-secret), or name another in [database]",
    "InvalidParameterException": "correct secret in [database]: it is an ARN or a name",
    "ValidationException": "correct secret in [database]: it is an ARN or a name",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretText:
    """What a secret holds now."""

    text: str = field(repr=False)
    # By which Secrets Manager tells this value from those before; not secret.
    version: str


def region_of_secret(name: str) -> str | None:
    """The region in a secret's ARN; None: it is a name."""
    found = _ARN.fullmatch(name)
    return found["region"] if found else None


async def read_secret(name: str, *, region: str | None) -> SecretText:
    """Read the current value of a secret, by its ARN or name. ``region``: None for that of the ARN, or else of the environment.

    Raises:
        Misconfigured: no region is known.
        Refused: it is not there, not ours to read, or no text.
        Unavailable: Secrets Manager does not answer now.
    """
    what = f"secret {name}"
    session = plain_session()
    config = AioConfig(
        connect_timeout=3,
        read_timeout=5,
        retries={"total_max_attempts": 2, "mode": "standard"},
        user_agent=f"forwarder/{__version__}",
        http_session_cls=StraightSession,
    )
    with aws_call(what), errors_of_secret(what):
        region = (
            region_of_secret(name) or region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
        )
        if region is None:
            raise Misconfigured(
                f"{what}: no region is known; name the secret by its ARN, or set region in [database], or AWS_REGION"
            )
        async with session.create_client("secretsmanager", region_name=region, config=config) as client:
            answer = await client.get_secret_value(SecretId=name)
    if "SecretString" not in answer:
        raise Refused(f"{what}: its value is binary; it should be JSON with username and password")
    return SecretText(text=answer["SecretString"], version=answer.get("VersionId", ""))


@contextmanager
def errors_of_secret(what: str) -> Iterator[None]:
    """Raise what can be said better here than ``aws_errors`` would."""
    try:
        yield
    except ClientError as error:
        if error.operation_name != "GetSecretValue" or code_of(error) not in _REFUSALS:
            raise
        said = redaction.sentence(error.response.get("Error", {}).get("Message", "")).rstrip(".")
        raise Refused(f"{what}: {code_of(error)}: {said}; {_REFUSALS[code_of(error)]}") from error
    except ValueError as error:
        raise Refused(f"{what}: {error}; correct AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_SECRETS_MANAGER") from error
