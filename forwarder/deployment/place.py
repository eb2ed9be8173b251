"""Where in AWS it is to run, and what is there already."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

# Whose role: the program's, ECS's own, and that of the migration, where it logs in by AWS.
Part = Literal["task", "execution", "migration"]
CpuArchitecture = Literal["arm64", "x86-64"]

# ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG, or @DIGEST.
_ECR_IMAGE = re.compile(
    r"(?P<host>(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)/(?P<repository>[a-z0-9._/-]+?)[:@].+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A repository of images at ECR."""

    host: str
    account: str
    region: str
    repository: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The KMS keys of one's own, by what they encrypt, as ARNs. Keys of AWS need no permission."""

    streams: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An account and a region, and the names of what is made there."""

    account: str
    region: str
    # Of the service, its roles, its log group and its parameter.
    name: str = "forwarder"
    cluster: str = "forwarder"
    image: str
    cpu_architecture: CpuArchitecture = "arm64"
    vpc: str | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    # Of the database; the stack lets the tasks in there.
    database_security_group: str | None = None
    # The ARN of the secret or the parameter with the database's URL; None: a parameter of our own.
    url_secret: str | None = None
    # The same for ``forwarder migrate``, which may need more rights; None: as the service.
    migrate_url_secret: str | None = None
    # RDS's name for the instance or the cluster, db-… or cluster-…; auth = rds-iam takes it.
    database_resource: str | None = None
    keys: Keys = field(default=Keys())

    @property
    def partition(self) -> str:
        """The part of AWS that the region is in, as ARNs have it."""
        first, _, rest = self.region.partition("-")
        if first == "cn":
            return "aws-cn"
        return "aws-us-gov" if first == "us" and rest.startswith("gov-") else "aws"

    @property
    def log_group(self) -> str:
        return f"/ecs/{self.name}"

    @property
    def registry(self) -> Registry | None:
        """Where the image is, if that is ECR."""
        return registry_of(self.image)

    def arn(self, service: str, resource: str, *, account: str | None = None, region: str | None = None) -> str:
        """The ARN of something in this place, or in another account or region of its partition."""
        within = self.region if region is None else region
        return f"arn:{self.partition}:{service}:{within}:{self.account if account is None else account}:{resource}"

    def role(self, part: Part) -> str:
        """The ARN of a role."""
        return self.arn("iam", f"role/{self.name}-{part}", region="")


def registry_of(image: str) -> Registry | None:
    """Where an image is, if that is ECR."""
    found = _ECR_IMAGE.fullmatch(image)
    if not found:
        return None
    return Registry(
        host=found["host"], account=found["account"], region=found["region"], repository=found["repository"]
    )
