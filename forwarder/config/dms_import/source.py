"""The database that a PostgreSQL endpoint of DMS is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from forwarder.config.dms_import.attributes import attributes
from forwarder.config.dms_import.findings import Findings
from forwarder.config.dms_import.spelling import is_true, word
from forwarder.config.dms_import.target import SOURCE_SWITCHES

_NO_SLOT = (
    "nothing: forwarder has no replication slot; drop it when DMS is off: SELECT pg_drop_replication_slot('NAME')"
)
_WHOLE = "nothing: values are sent whole, whatever their size"
_BECAME = {
    "SlotName": _NO_SLOT,
    "PluginName": "nothing: forwarder decodes no log; wal_level = logical is not needed either",
    "HeartbeatEnable": "nothing: it moved the replication slot on; drop schema objects that it made",
    "HeartbeatSchema": "nothing, as HeartbeatEnable",
    "HeartbeatFrequency": "nothing, as HeartbeatEnable",
    "CaptureDdls": "schema_events in [capture], which is on with IncludeTableAlterOperations; when DMS is off, drop its event trigger"
    " awsdms_intercept_ddl and its table awsdms_ddl_audit",
    "DdlArtifactsSchema": "nothing: where DMS has its table awsdms_ddl_audit; forwarder's is forwarder",
    "MaxFileSize": "nothing: there is no file to load",
    "FailTasksOnLobTruncation": _WHOLE,
    "TrimSpaceInChar": "as format dms has it: char(n) without the blanks at its end",
    "MapJsonbAsClob": "as format dms has it: JSON as a text",
    "MapLongVarcharAs": _WHOLE,
    "DisableUnicodeSourceFilter": "nothing: PostgreSQL itself writes the values",
    "ExecuteTimeout": "nothing: forwarder's statements have time-outs of their own",
}
_LACKING = {
    "AfterConnectScript": "forwarder runs no script when it connects; write what it sets with ALTER ROLE … SET",
    "SecretsManagerSecretId": "forwarder does not ask Secrets Manager; hand the URL with its password over as FORWARDER_DATABASE_URL (ECS: `secrets`"
    " of the task definition)",
    "SecretsManagerAccessRoleArn": "as SecretsManagerSecretId",
    "AuthenticationMethod": "only a password, or none, is known to import-dms; hand the URL over as FORWARDER_DATABASE_URL",
    "ServiceAccessRoleArn": "as AuthenticationMethod",
    "DatabaseMode": "forwarder knows PostgreSQL alone, not Babelfish",
    "BabelfishDatabaseName": "as DatabaseMode",
    "CertificateArn": "save the certificates of the authority in a file, and add sslrootcert=FILE to the url",
}
_OF_NO_CONCERN = {
    *(
        "EndpointIdentifier",
        "EndpointType",
        "EngineName",
        "EngineDisplayName",
        "Status",
        "EndpointArn",
        "PostgreSQLSettings",
    ),
    *(
        "IsReadOnly",
        "KmsKeyId",
        "ExternalId",
        "ExtraConnectionAttributes",
        "ServerName",
        "Port",
        "DatabaseName",
        "Username",
        "Password",
    ),
}


def source_settings(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a PostgreSQL endpoint; its extra connection attributes, and what stands beside them, count where they have none."""
    return {
        **{name: endpoint.get(name) for name in ("ServerName", "Port", "DatabaseName", "Username")},
        **dict(attributes(endpoint, (*SOURCE_SWITCHES, *_BECAME, *_LACKING))),
        **(endpoint.get("PostgreSQLSettings") or {}),
    }


def database_url(endpoint: Mapping[str, Any], findings: Findings) -> str:
    """The URL, without a password: DMS does not tell it."""
    settings = source_settings(endpoint)
    where = {
        name: settings.pop(name, None) or endpoint.get(name)
        for name in ("Username", "ServerName", "Port", "DatabaseName")
    }
    settings.pop("Password", None)
    for name in SOURCE_SWITCHES:
        settings.pop(name, None)
    host = f"{where['ServerName'] or 'HOST'}:{where['Port'] or 5432}"
    user = f"{quote(str(where['Username']), safe='')}@" if where["Username"] else ""
    url = f"postgresql://{user}{host}/{quote(str(where['DatabaseName'] or 'DATABASE'), safe='')}"
    findings.is_now(
        "ServerName, Port, DatabaseName, Username",
        f"{host}/{where['DatabaseName']}",
        "the url; the password is not told: see below",
    )
    mode = word(endpoint.get("SslMode") or "none")
    if mode != "none":
        findings.is_now("SslMode", mode, "sslmode")
        url += f"?sslmode={quote(mode)}"
    others = {name: value for name, value in endpoint.items() if name not in _OF_NO_CONCERN | {"SslMode"}}
    findings.explain(settings | others, _BECAME, _LACKING)
    return url


def source_switches(endpoint: Mapping[str, Any], findings: Findings) -> dict[str, str]:
    """The options of a sink's URL that the settings of the source become."""
    settings = source_settings(endpoint)
    found: dict[str, str] = {}
    for name, means in SOURCE_SWITCHES.items():
        if name in settings:
            is_on = is_true(settings[name])
            findings.is_now(
                name, is_on, f"an option of the sink: {means}" if is_on else 'as it is without it: "t" and "f"'
            )
            if is_on:
                found[name] = "true"
    return found
