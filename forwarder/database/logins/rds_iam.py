"""``auth = "rds-iam"``: a token that is signed for each connection stands in for the password.

RDS takes a token only if it is for the endpoint's own name and port. So where the URL has another name for it (an alias in DNS, the near
end of a tunnel), ``iam_endpoint`` has to say it. An alias is not looked up: the endpoint of an Aurora cluster is one itself, for the name of an
instance, and a public endpoint is one for a name of EC2.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from forwarder.aws.rds_endpoint import region_of_endpoint
from forwarder.config.database import DatabaseSettings
from forwarder.database.address import password_place, resolve
from forwarder.database.connection_target import ConnectionTarget
from forwarder.database.logins.source import Login
from forwarder.errors import Misconfigured

if TYPE_CHECKING:
    from forwarder.aws.rds_token import TokenSigner

_WITHOUT_TLS = ("disable", "allow", "prefer")
_AUTH = 'auth = "rds-iam" in [database]'


class RdsIam:
    """A token of IAM for each connection."""

    is_renewed = True

    def __init__(self, url: str, settings: DatabaseSettings, environment: Mapping[str, str] = os.environ) -> None:
        """Take the URL, which has to name host and role, and no password.

        Raises:
            Misconfigured: it does not, or goes without TLS.
        """
        self._url = url
        self._endpoint = settings.iam_endpoint
        self._region = settings.region
        self._environment = environment
        self._signer: TokenSigner | None = None
        if (place := password_place(url, environment)) and place != "PGPASSWORD":
            raise Misconfigured(f"{_AUTH}: leave the password in {place} out, since a token takes its place")
        self._signed_for(self.target())

    @property
    def told(self) -> str:
        return "a token of IAM for each connection"

    @property
    def remedy(self) -> str:
        return (
            "grant rds_iam to the role, switch IAM authentication on for the database, allow rds-db:connect for this role, and see that "
            "iam_endpoint in [database] is RDS's own name if the URL has another"
        )

    def target(self) -> ConnectionTarget:
        target = resolve(self._url, self._environment)
        if target.sslmode in _WITHOUT_TLS:
            raise Misconfigured(
                f"{_AUTH} takes TLS: set sslmode=verify-full and sslrootcert=rds, or sslmode=require at least"
            )
        return target if target.sslmode else resolve(self._url, self._environment, imposed={"sslmode": "require"})

    async def login(self) -> Login:
        # Here, since the AWS SDK takes a third of a second, and other ways to log in do without.
        from forwarder.aws.rds_token import TokenSigner, token

        target = self.target()
        user, places = self._signed_for(target)
        self._signer = self._signer or TokenSigner()
        credentials = await self._signer.credentials()
        tokens = tuple(
            token(credentials, host=host, port=port, user=user, region=region) for host, port, region in places
        )
        return Login(target=target, passwords=tokens)

    async def another(self, refused: Login) -> Login | None:
        return None

    def _signed_for(self, target: ConnectionTarget) -> tuple[str, list[tuple[str, int, str]]]:
        """The role; and host, port and region of each place, as RDS knows them."""
        if target.user is None:
            raise Misconfigured(
                f"{_AUTH}: name the role in FORWARDER_DATABASE_URL: postgresql://ROLE@HOST:5432/DATABASE"
            )
        if self._endpoint and len(target.places) > 1:
            raise Misconfigured("iam_endpoint in [database] goes with one host in FORWARDER_DATABASE_URL")
        return target.user, [self._place(host, port) for host, port in target.places]

    def _place(self, host: str, port: int) -> tuple[str, int, str]:
        if self._endpoint:
            host, _, own_port = self._endpoint.partition(":")
            port = int(own_port or port)
        host = host.lower().removesuffix(".")
        if not host or host.startswith("/"):
            raise Misconfigured(f"{_AUTH}: name the endpoint of RDS as the host in FORWARDER_DATABASE_URL")
        region = self._region or region_of_endpoint(host) or self._environment.get("AWS_REGION")
        if not region:
            raise Misconfigured(
                f"{_AUTH}: {host} is no name of RDS, so its region is unknown; set iam_endpoint to RDS's own name, or region"
            )
        return host, port, region
