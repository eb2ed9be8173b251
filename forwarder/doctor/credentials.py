"""The credentials for AWS: where they come from, and for how long they are good. Pure."""

from __future__ import annotations

from datetime import datetime

from forwarder.aws.credentials_source import CredentialsSource
from forwarder.doctor.finding import Finding, failure, note, ok, warning
from forwarder.quantities import duration

_PLACES = {
    "env": "variables of the environment",
    "container-role": "the task's role",
    "iam-role": "the machine's instance profile",
    "assume-role": "a role that is assumed",
    "assume-role-with-web-identity": "a role that is assumed by a web identity",
    "shared-credentials-file": "the file of shared credentials",
    "config-file": "the AWS configuration file",
    "sso": "a login by SSO",
    "custom-process": "a program of the AWS configuration",
}
# With less left than this they should have been renewed: forwarder.aws.credentials_renewal does so 15 minutes before their end.
_LATE_SECONDS = 300.0


def judge_credentials(found: CredentialsSource | None, *, now: datetime) -> Finding:
    """Whether they are there, and somebody renews them."""
    if found is None:
        return failure(
            "credentials",
            "there are none",
            remedy="give the task a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    source = f"from {_PLACES.get(found.method, found.method)}"
    if found.is_renewed:
        return _renewed(source, found.ends_at, now)
    if found.is_temporary:
        return warning(
            "credentials",
            f"temporary ones, {source}: they end within hours, and nobody renews them",
            remedy="give the task a role, whose credentials are renewed by themselves",
        )
    return note(
        "credentials",
        f"long-lived ones, {source}",
        remedy="prefer a role of the task, whose credentials end by themselves",
    )


def _renewed(source: str, ends_at: datetime | None, now: datetime) -> Finding:
    if ends_at is None:
        return ok("credentials", f"{source}, and renewed by themselves")
    left = (ends_at - now).total_seconds()
    text = f"{source}, until {ends_at:%Y-%m-%d %H:%M:%S} UTC, in {duration(max(0.0, left))}"
    if left < _LATE_SECONDS:
        return warning(
            "credentials", f"{text}; new ones should be there by now", remedy="see whether their source answers"
        )
    return ok("credentials", f"{text}; renewed by themselves")
