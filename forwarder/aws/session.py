"""Whose credentials a sink uses with AWS, in which region, and whether there is such a region."""

from __future__ import annotations

import os
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioAssumeRoleCredentialFetcher, AioDeferredRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import NoCredentialsError, UnknownRegionError

from forwarder.aws.http_session import StraightSession
from forwarder.config.sink_url import KinesisTarget
from forwarder.errors import Misconfigured

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws")

# What the role's owner sees in the log of his account.
ROLE_SESSION_NAME = "forwarder"


def session_of(target: KinesisTarget) -> AioSession:
    """What makes the clients of a target: for its profile and role, with FIPS endpoints if it is to be.

    A role is assumed by the first request of a client, not before.
    """
    session = _session_of_profile(target)
    if target.role_arn:
        session.register_component("credential_provider", _Role(_session_of_profile(target), target))
    return session


def region_of(target: KinesisTarget) -> str | None:
    """The SDKs of other languages read AWS_REGION, and ECS sets it; botocore reads AWS_DEFAULT_REGION alone."""
    return target.region or os.environ.get("AWS_REGION")


def is_at_aws(client: Any) -> bool:
    """Whether AWS itself answers this client, and not a local stand-in."""
    return (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AWS_DOMAINS)


def require_region(client: Any) -> None:
    """Make sure that the region of a client of AWS has a name as AWS gives them.

    Raises:
        Misconfigured: it has not, so that nobody would ever answer.
    """
    region = client.meta.region_name
    if is_at_aws(client) and _partition_of(region) is None:
        raise Misconfigured(
            f"region {region!r} is unknown to the AWS SDK; correct region in the sink's URL, or AWS_REGION"
        )


async def lists_region(client: Any) -> bool:
    """Whether the SDK knows the region of a client of AWS. If not, it may be younger than the SDK, or a mistake."""
    region, service = client.meta.region_name, client.meta.service_model.endpoint_prefix
    partition = _partition_of(region)
    if partition is None:
        return False
    return region in await AioSession().get_available_regions(service, partition_name=partition)


def _partition_of(region: str) -> str | None:
    try:
        return str(AioSession().get_partition_for_region(region))
    except UnknownRegionError:
        return None


def _session_of_profile(target: KinesisTarget) -> AioSession:
    session = AioSession(profile=target.profile)
    # Of those too that are made to ask for credentials.
    session.set_default_client_config(AioConfig(http_session_cls=StraightSession))
    if target.fips:
        session.set_config_variable("use_fips_endpoint", value=True)
    return session


class _Role:
    """Credentials by AssumeRole, begun with those that ``source`` has.

    Assuming it again renews those of ``source`` too, if need be. It is tried once: whoever renews the credentials tries again.
    """

    def __init__(self, source: AioSession, target: KinesisTarget) -> None:
        config = AioConfig(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
        self._source = source
        self._connect = partial(source.create_client, region_name=region_of(target), config=config)
        self._role_arn = target.role_arn
        self._extra_args = {"RoleSessionName": ROLE_SESSION_NAME}
        if target.external_id is not None:
            self._extra_args["ExternalId"] = target.external_id

    async def load_credentials(self) -> AioDeferredRefreshableCredentials:
        """What a session asks of its component ``credential_provider``."""
        credentials = await self._source.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        fetcher = AioAssumeRoleCredentialFetcher(
            self._connect, credentials, self._role_arn, extra_args=self._extra_args
        )
        return AioDeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
