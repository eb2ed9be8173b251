"""Which streams a sink writes to, as resources of a policy. Pure.

A stream for each table, ``kinesis://{schema}-{table}``, is narrowed down by the tables that the sink is for: ``public.orders`` becomes
``stream/public-orders``, and ``public.*`` becomes ``stream/public-*``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from forwarder.capture.selection import DEFAULT_SCHEMA
from forwarder.config.sink_url import KinesisTarget
from forwarder.config.stream_template import stream_of
from forwarder.deployment.place import Place

_QUOTED = r'"(?:[^"]|"")+"'
_TABLE = re.compile(rf"(?:(?P<schema>{_QUOTED}|[^.]+)\.)?(?P<table>{_QUOTED}|.+)", re.DOTALL)
# What any text stands for, in our globs as in IAM's patterns.
_ANY = "*"
_WILD = re.compile(r"([*?])")


def streams(target: KinesisTarget, tables: Sequence[str]) -> Sequence[str]:
    """The names or ARNs of the streams, with IAM's wildcards; ``tables``: the tables or globs that may go there, none for any."""
    if not target.is_routed:
        return [target.stream]
    return sorted({_stream(target.stream, table) for table in tables or [f"{_ANY}.{_ANY}"]})


def stream_arns(target: KinesisTarget, tables: Sequence[str], place: Place) -> Sequence[str]:
    """The same as ARNs. A stream that has only a name is in the account of the role that writes to it."""
    account = place.account if target.role_arn is None else target.role_arn.split(":")[4]
    return [
        stream
        if stream.startswith("arn:")
        else place.arn("kinesis", f"stream/{stream}", account=account, region=target.region)
        for stream in streams(target, tables)
    ]


def _stream(template: str, pattern: str) -> str:
    found = _TABLE.fullmatch(pattern)
    schema, table = (found["schema"] or DEFAULT_SCHEMA, found["table"]) if found else (_ANY, _ANY)
    if _is_exact(schema) and _is_exact(table):
        return stream_of(template, schema=_unquoted(schema), table=_unquoted(table))
    opening, slash, stream = template.rpartition("/")
    filled = stream.replace("{schema}", _as_iam_has_it(schema)).replace("{table}", _as_iam_has_it(table))
    return f"{opening}{slash}{filled}"


def _is_exact(part: str) -> bool:
    return part.startswith('"') or not _WILD.search(part)


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def _as_iam_has_it(part: str) -> str:
    """A part of a glob with its wildcards, and all else as it is in a stream's name."""
    texts = [_unquoted(part)] if part.startswith('"') else _WILD.split(part)
    return "".join(
        text if _WILD.fullmatch(text) and len(texts) > 1 else stream_of("{table}", schema="", table=text)
        for text in texts
    )
