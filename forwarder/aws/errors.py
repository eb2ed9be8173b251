"""What each error of the AWS client means to this program, and its remedy: tables of names, and the function that applies them.

NoCredentialsError                              Refused      give the task a role, or set AWS_ACCESS_KEY_ID …
ResourceNotFoundException                       Refused      create the stream, or correct its name …
ValidationException                             Invalid      the request, or one of its records, would be refused again
HTTP 413 to PutRecords                          TooLarge     send smaller requests
ProvisionedThroughputExceededException,
a time-out, an answer that cannot be read …     Unavailable  try again
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import botocore.exceptions

from forwarder.aws import redaction
from forwarder.errors import ForwarderError, Invalid, Refused, TooLarge, Unavailable

ACCESS_DENIED = "AccessDeniedException"

# A stream that is encrypted by a KMS key cannot be written to when the key cannot be used. Waiting mends none of these.
KMS_REFUSALS = {
    "KMSAccessDeniedException": "allow kms:GenerateDataKey on the stream's KMS key, in this role's policy and the key's",
    "KMSDisabledException": "enable the stream's KMS key (aws kms enable-key)",
    "KMSInvalidStateException": "the stream's KMS key is not ready for use: see its KeyState (aws kms describe-key)",
    "KMSNotFoundException": "the stream's KMS key is gone: give it another (aws kinesis start-stream-encryption)",
    "KMSOptInRequired": "subscribe the account of the stream's KMS key to AWS KMS",
}

# Wrong or expired credentials; each service has names of its own for it. Waiting mends none of these.
_CHECK_CREDENTIALS = "check the AWS credentials"
_CHECK_SECRET = "check the AWS credentials and this machine's clock"
_RENEW = "renew the AWS credentials"
IDENTITY_REFUSALS = {
    **dict.fromkeys(("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"), _CHECK_CREDENTIALS),
    **dict.fromkeys(("MissingAuthenticationTokenException", "MissingAuthenticationToken"), _CHECK_CREDENTIALS),
    **dict.fromkeys(("InvalidSignatureException", "SignatureDoesNotMatch"), _CHECK_SECRET),
    **dict.fromkeys(("IncompleteSignatureException", "IncompleteSignature"), _CHECK_SECRET),
    **dict.fromkeys(("RequestExpired", "RequestTimeTooSkewed"), "set this machine's clock"),
    **dict.fromkeys(("ExpiredTokenException", "ExpiredToken", "TokenRefreshRequired"), _RENEW),
    **dict.fromkeys(
        ("OptInRequired", "SubscriptionRequiredException"), "have the AWS account activated for this service"
    ),
}
# Some services say it in the text alone: "The security token included in the request is expired".
_EXPIRED = re.compile(r"security token .*\bexpired\b", re.IGNORECASE)

# What waiting cannot mend when it is met at start, and the remedy.
_REFUSALS = {
    "ResourceNotFoundException": "create the stream, or correct its name or region in the sink's URL",
    ACCESS_DENIED: "allow kinesis:{operation} on it; `forwarder ecs` prints the policy that listen needs",
    "UnknownOperationException": "check endpoint_url in the sink's URL: it does not speak Kinesis",
    **KMS_REFUSALS,
    **IDENTITY_REFUSALS,
}

# Errors that pass by themselves as a rule, and what to do if they do not.
_HINTS = {"KMSThrottlingException": "if it goes on, raise the account's quota of requests to AWS KMS"}

# STS's errors when it does not let us assume the role of `role_arn`. Of a role that does not exist it says AccessDenied too.
_ROLE_REFUSALS = {
    "AccessDenied": "allow this identity sts:AssumeRole on it; its trust policy must name us, and the external_id if any",
    "ValidationError": "correct role_arn or external_id in the sink's URL",
    "RegionDisabledException": "activate STS in this region for the role's account",
    **IDENTITY_REFUSALS,
}

# The HTTP status for a body that is too large, of a gateway or of AWS itself, and our name for it: the answer need not have one.
_TOO_LARGE = 413
TOO_LARGE = "RequestEntityTooLarge"

# Something is wrong with the request or one of its records, so that it would be refused again.
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
    botocore.exceptions.ProfileNotFound: "correct profile in the sink's URL, or AWS_PROFILE",
    **dict.fromkeys((botocore.exceptions.SSOError, botocore.exceptions.TokenRetrievalError), "run `aws sso login`"),
    botocore.exceptions.LoginError: "run `aws login`",
    **dict.fromkeys(
        (
            botocore.exceptions.ConfigNotFound,
            botocore.exceptions.ConfigParseError,
            botocore.exceptions.InvalidConfigError,
            botocore.exceptions.InfiniteLoopConfigError,
            botocore.exceptions.UnknownCredentialError,
            botocore.exceptions.RefreshWithMFAUnsupportedError,
            botocore.exceptions.InvalidRetryConfigurationError,
            botocore.exceptions.InvalidDefaultsMode,
        ),
        "correct the AWS configuration, ~/.aws/config or AWS_CONFIG_FILE, or its variables",
    ),
    botocore.exceptions.MissingDependencyException: "install what it names, or use other credentials",
    botocore.exceptions.EndpointVariantError: "leave fips out, or choose another region",
    botocore.exceptions.InvalidProxiesConfigError: "correct the configuration of the proxy",
}

# How much of the reason for which a record was refused goes to its row in ``forwarder.dead_letter``.
_REASON_CHARACTERS = 500

# The text of botocore's error for new credentials that have ended already. The error has no class of its own.
_STILL_EXPIRED = "refreshed credentials are still expired"

# What to do if an endpoint stays out of reach.
_REACH = (
    "if it stays so, see that this machine reaches it (DNS, route or VPC endpoint, security groups), and endpoint_url and region in the"
    " sink's URL"
)

# Errors of the client that may pass by themselves.
PASSING = (botocore.exceptions.BotoCoreError, aiohttp.ClientError, OSError, TimeoutError)


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Raise the errors of botocore and aiohttp as errors of this program. ``what`` is what the call was about: ``stream changes``.

    Raises:
        Invalid: something is wrong with the request, or with one of its records. The remedy in the message is for a request that holds
            no records.
        TooLarge: the request is refused for its size.
        Refused: waiting cannot mend it.
        Unavailable: it may pass. So is every error that is not foreseen here: one odd answer must not end the process.
    """
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _refusal_of_role(what, error) or _refusal(what, error) from error
    except tuple(_MISSING_SETTINGS) as error:
        remedy = next(remedy for kind, remedy in _MISSING_SETTINGS.items() if isinstance(error, kind))
        raise Refused(f"{what}: {error}; {remedy}") from error
    except botocore.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            raise Unavailable(f"{what}: {error}") from error
        raise Refused(
            f"{what}: {error}; check endpoint_url, or name the authority's certificate by AWS_CA_BUNDLE"
        ) from error
    except (botocore.exceptions.EndpointConnectionError, botocore.exceptions.ConnectTimeoutError) as error:
        raise Unavailable(f"{what}: {redaction.sentence(error) or type(error).__name__}; {_REACH}") from error
    except PASSING as error:
        raise Unavailable(f"{what}: {redaction.sentence(error) or type(error).__name__}") from error
    except ForwarderError:
        raise
    except Exception as error:
        if isinstance(error, RuntimeError) and _STILL_EXPIRED in str(error):
            raise Unavailable(
                f"{what}: the new credentials have expired already; check where they come from, and its clock and ours"
            ) from error
        raise Unavailable(
            f"{what}: an answer that nobody foresaw: {type(error).__name__}: {redaction.sentence(error)}"
        ) from error


@contextmanager
def aws_errors_of_opening(what: str) -> Iterator[None]:
    """As ``aws_errors``, for the making of a client. That reads the settings, and raises ValueError for a malformed one.

    Raises:
        Refused: region, credentials, profile or endpoint are missing or malformed.
        Unavailable: it may pass.
    """
    with aws_errors(what):
        try:
            yield
        except tuple(_MISSING_SETTINGS):
            # Some of these are subclasses of ValueError, too.
            raise
        except ValueError as error:
            raise Refused(f"{what}: {error}; correct endpoint_url in the sink's URL") from error


def code_of(error: botocore.exceptions.ClientError) -> str:
    """AWS's name for the error."""
    return redaction.code(error.response.get("Error", {}).get("Code", "Unknown"))


def _refusal(what: str, error: botocore.exceptions.ClientError) -> Refused | Unavailable:
    code = _plain_code_of(error)
    message = f"{what}: {_said(error)}"
    if error.operation_name == "PutRecords" and status_of(error) == _TOO_LARGE:
        return TooLarge(f"{message}; see what limits the size of a request on the way to the stream")
    if code in INVALID:
        return Invalid(f"{what}: {code}: {reason(_message(error))}; {INVALID[code]}", code=code)
    if code in _REFUSALS:
        return Refused(f"{message}; {_REFUSALS[code].format(operation=error.operation_name)}")
    if 300 <= status_of(error) < 400:
        return Unavailable(f"{message}; no redirect is followed: check the endpoint, and the proxy if any")
    return Unavailable(f"{message}; {_HINTS[code]}" if code in _HINTS else message)


def _refusal_of_role(what: str, error: botocore.exceptions.ClientError) -> Refused | Unavailable | None:
    """What an error of AssumeRole means; None for other operations. The role is assumed within any call, when its credentials run out."""
    if error.operation_name != "AssumeRole":
        return None
    code = _plain_code_of(error)
    message = f"{what}: cannot assume the role of role_arn: {_said(error)}"
    return Refused(f"{message}; {_ROLE_REFUSALS[code]}") if code in _ROLE_REFUSALS else Unavailable(message)


def reason(said: str) -> str:
    """Why a record is refused, on one line, for its dead letter. Not for logs: it may quote the record."""
    return " ".join(said[:_REASON_CHARACTERS].split())


def _plain_code_of(error: botocore.exceptions.ClientError) -> str:
    """AWS's name for the error; ``ExpiredToken`` for whatever says that the credentials have expired."""
    return "ExpiredToken" if _EXPIRED.search(reason(_message(error))) else code_of(error)


def _said(error: botocore.exceptions.ClientError) -> str:
    """Name and text of the error. That of a gateway may have no text."""
    text = redaction.sentence(_message(error))
    return f"{code_of(error)}: {text}" if text else code_of(error)


def _message(error: botocore.exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))


def status_of(error: botocore.exceptions.ClientError) -> int:
    """The status of the HTTP answer; 0: unknown."""
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status
