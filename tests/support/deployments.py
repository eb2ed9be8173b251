"""Seven configurations as they run on ECS, and what ``forwarder ecs`` writes for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from forwarder.config.settings import Settings
from forwarder.deployment.deployment import files
from forwarder.deployment.place import Keys, Place

REGION = "eu-west-1"
ACCOUNT = "123456789012"
OTHER_ACCOUNT = "222222222222"
PASSWORD = "a-password"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/writer"
URL_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:forwarder-AbCdEf"
PLACE = Place(
    account=ACCOUNT,
    region=REGION,
    image=f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/forwarder:1.0",
    subnets=("subnet-1", "subnet-2"),
    security_groups=("sg-1",),
)


def key(name: str) -> str:
    """The ARN of a KMS key."""
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Settings, and the place where they are to hold."""

    settings: Mapping[str, Any]
    place: Place = PLACE

    @property
    def loaded(self) -> Settings:
        database = {"url": f"postgresql://forwarder:{PASSWORD}@db.internal/app"}
        return Settings.model_validate({"database": database, **self.settings})

    def texts(self, *, changes_per_second: int = 1000) -> Mapping[str, str]:
        """What ``forwarder ecs`` writes."""
        return files(self.loaded, self.place, changes_per_second=changes_per_second, mappings=None)

    def document(self, name: str) -> Any:
        """One of its files of JSON, read."""
        return json.loads(self.texts()[name])


def sink(url: str, **others: Any) -> Mapping[str, Any]:
    """A sink of the settings."""
    return {"url": url, **others}


DATABASE = "app.abc.eu-west-1.rds.amazonaws.com"

CONFIGURATIONS = {
    "one stream": Configuration(settings={"sink": [sink(f"kinesis://changes?region={REGION}")]}),
    "a stream for each table": Configuration(
        settings={
            "table": [{"match": "public.*"}],
            "sink": [sink(f"kinesis://{{schema}}-{{table}}?region={REGION}", tables=["public.orders", "shop.o*"])],
            "http": {"token": "a-token-of-16-characters"},
        }
    ),
    "large records in an encrypted bucket": Configuration(
        settings={"sink": [sink(f"kinesis://changes?region={REGION}&oversize=s3://large-changes/big")]},
        place=replace(
            PLACE,
            url_secret=f"{URL_SECRET}:url::",
            keys=Keys(streams=(key("streams"),), buckets=(key("buckets"),), secrets=(key("secrets"),)),
        ),
    ),
    "a stream in another account": Configuration(
        settings={"sink": [sink(f"kinesis://changes?region={REGION}&role_arn={ROLE}&external_id=ours")]},
        place=Place(account=ACCOUNT, region=REGION, image="public.example/forwarder:1.0", cpu_architecture="x86-64"),
    ),
    "two sinks, one of another account": Configuration(
        settings={
            "sink": [
                sink(f"kinesis://changes?region={REGION}", name="ours"),
                sink(f"kinesis://theirs?region={REGION}&role_arn={ROLE}&oversize=s3://their-bucket", name="theirs"),
            ]
        }
    ),
    "a login by IAM": Configuration(
        settings={
            "database": {"url": f"postgresql://streamer@{DATABASE}/app?sslmode=require", "auth": "rds-iam"},
            "sink": [sink(f"kinesis://changes?region={REGION}")],
        },
        place=replace(PLACE, database_resource="db-ABCDEFGH"),
    ),
    "a login by a secret of RDS": Configuration(
        settings={
            "database": {"url": "", "auth": "secrets-manager", "secret": URL_SECRET},
            "sink": [sink(f"kinesis://changes?region={REGION}", name="ours")],
        },
        place=replace(PLACE, keys=Keys(secrets=(key("secrets"),))),
    ),
}
