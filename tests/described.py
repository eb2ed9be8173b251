"""What `aws dms describe-endpoints` and `describe-replication-tasks` print, for tests."""

from __future__ import annotations

import json
from typing import Any

from tests.mapped import ARTICLE

STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/changes"
ROLE = "arn:aws:iam::123456789012:role/dms-kinesis"
ARN = "arn:aws:dms:eu-west-1:123456789012:endpoint"


def source(settings: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """A PostgreSQL endpoint; ``settings`` are added to its PostgreSQLSettings."""
    return {
        "EndpointIdentifier": "source-postgres",
        "EndpointType": "SOURCE",
        "EngineName": "postgres",
        "EngineDisplayName": "PostgreSQL",
        "Username": "dms",
        "ServerName": "db.internal",
        "Port": 5432,
        "DatabaseName": "app",
        "Status": "active",
        "EndpointArn": f"{ARN}:SOURCE",
        "SslMode": "require",
        "PostgreSQLSettings": {
            "ServerName": "db.internal",
            "Port": 5432,
            "DatabaseName": "app",
            "Username": "dms",
            **(settings or {}),
        },
        **members,
    }


def target(settings: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """A Kinesis endpoint; ``settings`` are added to its KinesisSettings."""
    return {
        "EndpointIdentifier": "target-kinesis",
        "EndpointType": "TARGET",
        "EngineName": "kinesis",
        "EngineDisplayName": "Amazon Kinesis",
        "Status": "active",
        "EndpointArn": f"{ARN}:TARGET",
        "SslMode": "none",
        "KinesisSettings": {
            "StreamArn": STREAM,
            "MessageFormat": "json-unformatted",
            "ServiceAccessRoleArn": ROLE,
            "IncludeTransactionDetails": True,
            "IncludePartitionValue": False,
            **(settings or {}),
        },
        **members,
    }


def task(settings: dict[str, Any] | None = None, *, mappings: str = ARTICLE, **members: Any) -> dict[str, Any]:
    """A task; ``settings`` are its task settings."""
    return {
        "ReplicationTaskIdentifier": "app-to-kinesis",
        "SourceEndpointArn": f"{ARN}:SOURCE",
        "TargetEndpointArn": f"{ARN}:TARGET",
        "MigrationType": "cdc",
        "TableMappings": mappings,
        "ReplicationTaskSettings": json.dumps(settings or {}),
        "Status": "running",
        **members,
    }


def endpoints(*found: dict[str, Any]) -> str:
    """What `aws dms describe-endpoints` prints."""
    return json.dumps({"Endpoints": list(found)}, indent=4)


def tasks(*found: dict[str, Any]) -> str:
    """What `aws dms describe-replication-tasks` prints."""
    return json.dumps({"ReplicationTasks": list(found)}, indent=4)
