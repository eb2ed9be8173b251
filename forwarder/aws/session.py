"""With which credentials, and in which region, a sink uses AWS; and whether that region exists."""

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

# Named in the CloudTrail of the role's account.
ROLE_SESSION_NAME = "forwarder"


def session_of(target: KinesisTarget) -> AioSession:
    """A session that makes the clients for a target, by its profile, role and use of FIPS endpoints.

    The role is assumed by the first request of a client, not before.
    """
    session = _session_of_profile(target)
    if target.role_arn:
        session.register_component("credential_provider", _Role(_session_of_profile(target), target))
    return session


def plain_session() -> AioSession:
    """A session with the credentials that the SDK finds by itself: those of the task, of AWS_PROFILE, and so on."""
    return _bounded(AioSession())


def region_of(target: KinesisTarget) -> str | None:
    """The region of a target; None: botocore finds it. AWS_REGION is read here, since ECS sets it and botocore does not read it."""
    return target.region or os.environ.get("AWS_REGION")


def is_at_aws(client: Any) -> bool:
    """Whether the endpoint of this client is one of AWS, and not a local stand-in."""
    return (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AWS_DOMAINS)


def require_region(client: Any) -> None:
    """Make sure that the region of a client has a name such as AWS gives, if its endpoint is one of AWS.

    Raises:
        Misconfigured: it has not, so nobody would ever answer.
    """
    region = client.meta.region_name
    if is_at_aws(client) and _partition_of(region) is None:
        raise Misconfigured(
            f"region {region!r} is unknown to the AWS SDK; correct region in the sink's URL, or AWS_REGION"
        )


async def lists_region(client: Any) -> bool:
    """Whether the SDK knows the region of a client. A region that it does not know is newer than this version of it, or does not exist."""
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
    session = _bounded(AioSession(profile=target.profile))
    if target.fips:
        session.set_config_variable("use_fips_endpoint", value=True)
    return session


def _bounded(session: AioSession) -> AioSession:
    # The default for all its clients: botocore makes some of its own, to ask for credentials.
    session.set_default_client_config(AioConfig(http_session_cls=StraightSession))
    return session


class _Role:
    """Credentials by AssumeRole, which is called with the credentials of ``source``.

    When the role is assumed again, those of ``source`` are renewed first, if need be. Each time one attempt is made: who renews credentials
    tries again.
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
