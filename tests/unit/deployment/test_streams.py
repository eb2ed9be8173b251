from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from forwarder.capture.catalog import TableName
from forwarder.capture.selection import Pattern
from forwarder.config import sink_url
from forwarder.config.sink_url import KinesisTarget
from forwarder.config.stream_template import stream_of
from forwarder.deployment.streams import stream_arns, streams
from tests.support.deployments import OTHER_ACCOUNT, PLACE, ROLE

REGION = "eu-west-1"


def target(stream: str, **options: str) -> KinesisTarget:
    query = "&".join(f"{name}={value}" for name, value in {"region": REGION, **options}.items())
    found = sink_url.parse(f"kinesis://{stream}?{query}").target
    assert isinstance(found, KinesisTarget)
    return found


@pytest.mark.parametrize(
    ("template", "tables", "expected"),
    [
        ("changes", ["public.orders"], ["changes"]),
        ("{schema}-{table}", [], ["*-*"]),
        ("{schema}-{table}", ["orders", "shop.*"], ["public-orders", "shop-*"]),
        ("cdc-{table}", ["public.order?"], ["cdc-order?"]),
        ("{schema}-{table}", ['public."Order Items"', '"my.schema"."a*b"'], ["my.schema-a_b", "public-Order_Items"]),
        ("{schema}-{table}", ['*."a b*"'], ["*-a_b_"]),
    ],
)
def test_the_streams_of_a_sink_are_as_few_as_its_tables_say(
    template: str, tables: list[str], expected: list[str]
) -> None:
    assert streams(target(template), tables) == expected


def test_the_streams_of_a_pattern_hold_that_of_each_table_that_it_matches() -> None:
    table = TableName(1, "shop", "über orders")
    for pattern in ("*.*", "shop.*", "shop.über*", "sh?p.?ber*", 'shop."über orders"', "*.über orders"):
        assert Pattern(pattern).matches(table)
        (stream,) = streams(target("{schema}-{table}"), [pattern])
        assert fnmatchcase(stream_of("{schema}-{table}", schema=table.schema, table=table.name), stream), pattern


def test_a_stream_that_has_only_a_name_is_in_the_account_of_who_writes_to_it() -> None:
    assert stream_arns(target("changes"), [], PLACE) == ["arn:aws:kinesis:eu-west-1:123456789012:stream/changes"]
    theirs = stream_arns(target("changes", role_arn=ROLE), [], PLACE)
    assert theirs == [f"arn:aws:kinesis:eu-west-1:{OTHER_ACCOUNT}:stream/changes"]
    arn = "arn:aws:kinesis:eu-west-1:333333333333:stream/changes"
    assert stream_arns(target(arn), [], PLACE) == [arn]
