from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.config.sink_url import KinesisTarget, parse
from forwarder.config.stream_template import stream_of
from forwarder.errors import Misconfigured

ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream"


@pytest.mark.parametrize(
    ("template", "schema", "table", "stream"),
    [
        ("{schema}-{table}", "public", "orders", "public-orders"),
        ("cdc.{table}", "public", "order items", "cdc.order_items"),
        ("{schema}-{table}", "a/b", "ünï{x}", "a_b-_n__x_"),
        ("{table}", "public", "{schema}", "_schema_"),
        (f"{ARN}/{{table}}", "public", "orders/new", f"{ARN}/orders_new"),
    ],
)
def test_a_table_has_the_stream_of_its_name(template: str, schema: str, table: str, stream: str) -> None:
    assert stream_of(template, schema=schema, table=table) == stream


@given(
    st.sampled_from(["{schema}-{table}", "a" * 100 + "{table}.{schema}"]), st.text(max_size=63), st.text(max_size=63)
)
def test_every_stream_has_a_name_that_kinesis_takes(template: str, schema: str, table: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_.-]{1,128}", stream_of(template, schema=schema, table=table))


def test_names_that_are_cut_stay_two() -> None:
    template = "x" * 100 + "{table}"

    assert stream_of(template, schema="", table="t" * 63) != stream_of(template, schema="", table="t" * 62 + "u")


def test_a_url_may_name_streams_by_tables() -> None:
    target = parse("kinesis://{schema}-{table}?region=eu-west-1").target

    assert target == KinesisTarget(stream="{schema}-{table}", region="eu-west-1")
    assert target.is_routed
    assert parse(f"kinesis://{ARN}/{{table}}").target == KinesisTarget(stream=f"{ARN}/{{table}}", region="eu-west-1")


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("kinesis://{schema}-{tabel}", "{tabel} in a stream's name means nothing; known: {schema}, {table}"),
        ("kinesis://{schema", "{schema in a stream's name means nothing"),
        ("kinesis://orders}", "} in a stream's name means nothing"),
        ("kinesis://{after.region}", "{after.region} in a stream's name means nothing"),
        ("kinesis://{schema}/{table}", "names no stream"),
    ],
)
def test_a_mistake_in_a_template_is_named_with_its_remedy(url: str, remedy: str) -> None:
    with pytest.raises(Misconfigured) as error:
        parse(url)

    assert remedy in str(error.value)
