"""Tokens by which RDS lets a role in without a password: a request for ``connect`` that is signed, and never sent.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

from __future__ import annotations

from typing import Any

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

from forwarder.aws.call import aws_call
from forwarder.aws.session import plain_session

# RDS takes none that is older, however long it says it is good for.
TOKEN_SECONDS = 15 * 60

_SIGNING_NAME = "rds-db"


class TokenSigner:
    """Signs tokens with the credentials of the task, which botocore renews when they are about to end."""

    def __init__(self) -> None:
        self._session: Any = None

    async def credentials(self) -> ReadOnlyCredentials:
        """Those to sign with now.

        Raises:
            Refused, Unavailable: they cannot be had.
        """
        with aws_call("a token for the database: credentials"):
            if self._session is None:
                self._session = plain_session()
            credentials = await self._session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            frozen: ReadOnlyCredentials = await credentials.get_frozen_credentials()
            return frozen


def token(credentials: ReadOnlyCredentials, *, host: str, port: int, user: str, region: str) -> str:
    """A token for one role at one endpoint, good for a new session within the next 15 minutes. Pure but for the clock."""
    scheme = "https://"
    request = AWSRequest(method="GET", url=f"{scheme}{host}:{port}/", params={"Action": "connect", "DBUser": user})
    SigV4QueryAuth(credentials, _SIGNING_NAME, region, expires=TOKEN_SECONDS).add_auth(request)
    return str(request.url).removeprefix(scheme)
