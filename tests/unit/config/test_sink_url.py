from __future__ import annotations

import pytest

from forwarder.config.formats import Dms, Native
from forwarder.config.key_template import Placeholder
from forwarder.config.partition_key import KeyRule
from forwarder.config.sink_url import FileTarget, KinesisTarget, SinkUrl, StdoutTarget, parse
from forwarder.errors import Misconfigured


def test_a_stream_is_named_with_its_region() -> None:
    assert parse("kinesis://changes?region=eu-west-1") == SinkUrl(
        target=KinesisTarget(stream="changes", region="eu-west-1", endpoint_url=None, aggregation="none"),
        format=Native(),
        partition_key=KeyRule(),
    )


def test_an_endpoint_may_be_given_percent_encoded_or_not() -> None:
    for written in ("http://127.0.0.1:4567", "http%3A%2F%2F127.0.0.1%3A4567"):
        target = parse(f"kinesis://changes?endpoint_url={written}").target
        assert target == KinesisTarget(
            stream="changes", region=None, endpoint_url="http://127.0.0.1:4567", aggregation="none"
        )


def test_a_stream_may_be_named_by_its_arn_which_tells_the_region() -> None:
    arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/changes"
    for url in (f"kinesis://{arn}", f"kinesis://{arn}?region=eu-west-1"):
        assert parse(url).target == KinesisTarget(stream=arn, region="eu-west-1")


def test_a_stream_is_used_as_whom_and_through_which_endpoint_the_options_say() -> None:
    role = "arn:aws:iam::123456789012:role/teams/writer"
    url = f"kinesis://changes?profile=data&role_arn={role}&external_id=7f%2B3a&fips=true&ordering=none&protocol=json"
    assert parse(url).target == KinesisTarget(
        stream="changes",
        profile="data",
        role_arn=role,
        external_id="7f+3a",
        fips=True,
        ordering="none",
        protocol="json",
    )


def test_options_decide_key_and_prefix() -> None:
    url = parse("kinesis://changes?partition_key=table&prefix=false&format=native")

    assert (url.partition_key, url.format) == (KeyRule(kind="table", prefix=False), Native())


def test_settings_of_dms_are_options_under_their_names() -> None:
    url = parse("kinesis://changes?format=dms&MessageFormat=json&IncludeTransactionDetails=true&NoHexPrefix=false")
    assert url.format == Dms(MessageFormat="json", IncludeTransactionDetails=True)


@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        ("", False),
        ("&PartitionIncludeSchemaTable=true", True),
        ("&prefix=true", True),
        ("&partition_key=table", True),
        ("&partition_key=table&PartitionIncludeSchemaTable=false", True),
    ],
)
def test_partition_keys_of_dms_begin_with_the_table_where_its_settings_say_so(options: str, *, prefix: bool) -> None:
    assert parse(f"kinesis://changes?format=dms{options}").partition_key.prefix is prefix


@pytest.mark.parametrize("partition_key", ["transaction", "random", "template:{table}.{txid}", "template:{key}:{op}"])
def test_a_key_that_tears_a_row_apart_is_for_sinks_without_order(partition_key: str) -> None:
    with pytest.raises(Misconfigured, match="add ordering=none"):
        parse(f"kinesis://changes?partition_key={partition_key}")

    assert parse(f"kinesis://changes?ordering=none&partition_key={partition_key}").partition_key.scatters_rows
    assert parse(f"file:changes?partition_key={partition_key}").partition_key.scatters_rows


def test_a_template_may_be_percent_encoded() -> None:
    expected = KeyRule(kind="template", pieces=(Placeholder("schema"), "&", Placeholder("after", "region")))

    assert (
        parse("kinesis://changes?partition_key=template%3A%7Bschema%7D%26%7Bafter.region%7D").partition_key == expected
    )


@pytest.mark.parametrize(
    ("partition_key", "needs_barriers"),
    [
        ("primary-key", True),
        ("column:region", True),
        ("template:{table}", True),
        ("table", False),
        ("constant:x", False),
    ],
)
def test_a_truncate_waits_where_a_table_has_several_lanes(partition_key: str, *, needs_barriers: bool) -> None:
    assert parse(f"kinesis://changes?partition_key={partition_key}").needs_barriers is needs_barriers
    assert not parse(f"kinesis://changes?ordering=none&partition_key={partition_key}").needs_barriers


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:changes.jsonl", "changes.jsonl"),
        ("file:/var/tmp/changes.jsonl", "/var/tmp/changes.jsonl"),
        ("file:///var/tmp/changes.jsonl", "/var/tmp/changes.jsonl"),
        ("file:with%20space%3F.jsonl", "with space?.jsonl"),
    ],
)
def test_a_file_is_named_by_its_path(url: str, path: str) -> None:
    assert parse(url).target == FileTarget(path=path)


@pytest.mark.parametrize("url", ["stdout:", "stdout:?partition_key=table"])
def test_standard_output_needs_no_name(url: str) -> None:
    assert parse(url).target == StdoutTarget()


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("", "examples: kinesis://STREAM"),
        ("changes", "unknown sink kind ''"),
        ("kafka://changes", "unknown sink kind 'kafka'; examples"),
        ("kinesis:changes", "names no stream"),
        ("kinesis://", "names no stream"),
        ("kinesis://changes/more", "names no stream"),
        ("file:", "names no path"),
        ("file://changes.jsonl", "names no path"),
        ("file:a\0b", "no path has the character NUL in it"),
        ("stdout://name", "standard output has no name"),
        ("kinesis://changes?regoin=eu-west-1", "unknown option 'regoin'; did you mean 'region'?"),
        ("kinesis://changes?xyz=1", "unknown option 'xyz'; known: "),
        ("kinesis://changes?region", "malformed"),
        ("kinesis://changes?region=a&region=b", "gives an option twice"),
        ("kinesis://changes?format=debezum", "format='debezum' is unknown; did you mean 'debezium'?"),
        ("kinesis://changes?partition_key=primary_key", "did you mean 'primary-key'?"),
        ("kinesis://changes?prefix=no", "prefix='no' is unknown"),
        ("kinesis://[changes", "malformed"),
        ("kinesis://arn:aws:sqs:eu-west-1:123456789012:changes", "names no stream"),
        ("kinesis://arn:aws:kinesis:eu-west-1:12:stream/changes", "names no stream"),
        (
            "kinesis://arn:aws:kinesis:eu-west-1:123456789012:stream/changes?region=us-east-1",
            "gives another region than its ARN; leave region out",
        ),
        ("kinesis://changes?role_arn=writer", "write arn:aws:iam::ACCOUNT:role/NAME"),
        ("kinesis://changes?external_id=7f3a", "add role_arn"),
        ("kinesis://changes?fips=true&endpoint_url=https://x", "leave one of them out"),
        ("kinesis://changes?fips=yes", "fips='yes' is unknown"),
        ("kinesis://changes?ordering=loose", "ordering='loose' is unknown; known: strict, none"),
        ("kinesis://changes?ordering=none&aggregation=kpl", "leave one of them out"),
        (
            "stdout:?NoHexPrefix=true",
            "NoHexPrefix is an option of format=dms, and the format is native; leave one of them out",
        ),
        ("stdout:?format=dms&NoHexPrefix=yes", "NoHexPrefix='yes' is unknown"),
        ("stdout:?format=dms&MessageFormat=text", "MessageFormat='text' is unknown; known: json-unformatted, json"),
        ("stdout:?format=dms&MessageFormat=json", "each is one; leave it out"),
        ("stdout:?format=dms&ColumnFilter=all", "add EnableBeforeImage=true"),
        ("stdout:?format=dms&EnableBeforeImage=true&FieldName=data", "write another name, such as before-image"),
        ("stdout:?format=dms&IncludeNullAndEmty=true", "did you mean 'IncludeNullAndEmpty'?"),
        ("stdout:?format=dms&prefix=true&PartitionIncludeSchemaTable=true", "say the same; leave one of them out"),
        ("kinesis://changes?protocol=xml", "protocol='xml' is unknown; known: auto, cbor, json"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(url: str, remedy: str) -> None:
    with pytest.raises(Misconfigured) as error:
        parse(url)

    assert remedy in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("url", ["stdout:?region=eu-west-1", "file:changes.jsonl?endpoint_url=http://x"])
def test_an_option_of_another_kind_of_sink_is_unknown(url: str) -> None:
    with pytest.raises(Misconfigured, match="unknown option") as error:
        parse(url)

    assert "did you mean 'region'" not in str(error.value)


@pytest.mark.parametrize("url", ["kinesis://changes?region=eu-west-1", "stdout:", "file:/tmp/x.jsonl"])
def test_a_target_says_where_records_go(url: str) -> None:
    assert str(parse(url).target) == url.partition("?")[0]


@pytest.mark.parametrize(
    ("url", "newline"),
    [
        ("kinesis://changes?format=dms", True),
        ("kinesis://changes?format=dms&newline=false", False),
        ("kinesis://changes?format=dms&MessageFormat=json", False),
        ("file:changes.jsonl?format=dms", False),
        ("kinesis://changes", False),
    ],
)
def test_records_of_dms_end_with_a_line_break_as_those_of_dms_do(url: str, newline: object) -> None:
    assert parse(url).framing.newline is newline
