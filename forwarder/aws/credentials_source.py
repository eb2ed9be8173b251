"""Where the credentials of a client come from, and when they end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiobotocore.credentials import AioRefreshableCredentials

from forwarder.aws.call import aws_call


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsSource:
    """As botocore has found them. Nothing here is secret."""

    # As botocore calls it: env, container-role, iam-role, assume-role, shared-credentials-file, sso and so on.
    method: str
    # Temporary ones have a token with them.
    is_temporary: bool
    # When they end, and whether others are had then without anybody's doing. None: it is not told, or they have no end.
    ends_at: datetime | None
    is_renewed: bool


async def source_of(client: Any, what: str) -> CredentialsSource | None:
    """Ask for the credentials, which may take a call; None: there are none. ``what`` is what the client is for: ``stream changes``.

    Raises:
        Refused, Unavailable: they cannot be had.
    """
    credentials = client._request_signer._credentials
    if credentials is None:
        return None
    with aws_call(f"{what}: credentials"):
        frozen = await credentials.get_frozen_credentials()
    is_renewed = isinstance(credentials, AioRefreshableCredentials)
    return CredentialsSource(
        method=str(credentials.method),
        is_temporary=bool(frozen.token),
        ends_at=credentials._expiry_time if is_renewed else None,
        is_renewed=is_renewed,
    )
