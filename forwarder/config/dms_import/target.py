"""The sink that a Kinesis endpoint of DMS becomes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from forwarder.config.dms_import.attributes import attributes
from forwarder.config.dms_import.findings import Findings
from forwarder.config.dms_import.spelling import is_true, word
from forwarder.errors import Misconfigured

# Settings of the endpoint that are options of a sink's URL under the same name.
SWITCHES: Mapping[str, str] = {
    "IncludeTransactionDetails": "commit-timestamp, stream-position and the record ids of the transaction",
    "IncludePartitionValue": "partition-key-value",
    "PartitionIncludeSchemaTable": "schema and table before the primary key in the partition key",
    "IncludeTableAlterOperations": "control records when a table is altered; schema_events is on for them",
    "IncludeControlDetails": "what the table is like, in control records",
    "IncludeNullAndEmpty": "members of columns that are null",
    "NoHexPrefix": "bytea without 0x",
    "UseLargeIntegerValue": "whole numbers of up to 18 digits as they are",
}
# What each MessageFormat makes of a record.
_LAYOUTS = {"json": "indented, as it is without it", "json-unformatted": "one line a record"}
# They are in the settings of the source, and concern the record.
SOURCE_SWITCHES: Mapping[str, str] = {"MapBooleanAsBoolean": 'true and false in place of "t" and "f"'}
# As a DMS endpoint has them besides.
_OF_NO_CONCERN = {
    *(
        "EndpointIdentifier",
        "EndpointType",
        "EngineName",
        "EngineDisplayName",
        "Status",
        "EndpointArn",
        "KinesisSettings",
    ),
    *("SslMode", "IsReadOnly", "KmsKeyId", "ExternalId"),
}


def kinesis_settings(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a Kinesis endpoint, under their names, with those that stand in its extra connection attributes."""
    known = (*SWITCHES, "MessageFormat", "StreamArn", "ServiceAccessRoleArn")
    return {**dict(attributes(endpoint, known)), **(endpoint.get("KinesisSettings") or {})}


def sink_url(endpoint: Mapping[str, Any], findings: Findings, *, options: Mapping[str, str]) -> str:
    """The URL of the sink; ``options`` go behind those of the endpoint.

    Raises:
        Misconfigured: the endpoint has a MessageFormat that DMS does not know.
    """
    settings = kinesis_settings(endpoint)
    arn = str(settings.pop("StreamArn", None) or endpoint.get("StreamArn") or "STREAM")
    role = settings.pop("ServiceAccessRoleArn", None) or endpoint.get("ServiceAccessRoleArn")
    if arn == "STREAM":
        findings.is_lacking("StreamArn", "not given", "write the name or the ARN of the stream in the sink's url")
    else:
        findings.is_now("StreamArn", arn, "the stream")
    given = {"format": "dms", **_switches(settings, findings), **options}
    if role:
        findings.is_now(
            "ServiceAccessRoleArn",
            role,
            "role_arn. It trusts dms.amazonaws.com: let it trust the role that forwarder runs as, or leave role_arn out",
        )
        given["role_arn"] = str(role)
    others = {
        name: value
        for name, value in endpoint.items()
        if name not in _OF_NO_CONCERN | {"ExtraConnectionAttributes", "ServiceAccessRoleArn"}
    }
    findings.explain(settings | others, {}, {})
    return f"kinesis://{arn}?{urlencode(given, quote_via=quote, safe=':/')}"


def _switches(settings: dict[str, Any], findings: Findings) -> dict[str, str]:
    """The options that the endpoint's settings become; these settings are taken out."""
    message_format = word(settings.pop("MessageFormat", None) or "json")
    if message_format not in _LAYOUTS:
        raise Misconfigured(
            f"MessageFormat {message_format!r} is none of DMS; write {' or '.join(_LAYOUTS)} in its place"
        )
    findings.is_now("MessageFormat", message_format, _LAYOUTS[message_format])
    found = {"MessageFormat": message_format}
    for name, means in SWITCHES.items():
        if name in settings:
            is_on = is_true(settings.pop(name))
            findings.is_now(name, is_on, means if is_on else "off, as it is without it")
            if is_on:
                found[name] = "true"
    return found
