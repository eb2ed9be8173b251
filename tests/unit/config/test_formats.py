from __future__ import annotations

import pytest

from forwarder.config.formats import CloudEvents, DynamoDb, Format, Lambda
from forwarder.config.sink_url import parse
from forwarder.errors import Misconfigured


@pytest.mark.parametrize(
    ("query", "format"),
    [
        ("format=lambda", Lambda(table=False, id=False)),
        ("format=lambda&table=true&id=true", Lambda(table=True, id=True)),
        ("format=cloudevents", CloudEvents()),
        ("format=dynamodb", DynamoDb(style="kinesis", view="NEW_AND_OLD_IMAGES", timestamps="MILLISECOND", tableName="table")),
        ("format=dynamodb&style=streams&view=KEYS_ONLY", DynamoDb(style="streams", view="KEYS_ONLY")),
        ("format=dynamodb&timestamps=MICROSECOND&tableName=schema.table", DynamoDb(timestamps="MICROSECOND", tableName="schema.table")),
    ],
)  # fmt: skip
def test_a_format_has_the_options_that_the_url_gives_it(query: str, format: Format) -> None:
    assert parse(f"stdout:?{query}").format == format


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("format=lambdas", "format='lambdas' is unknown; did you mean 'lambda'?"),
        ("format=lambda&table=yes", "table='yes' is unknown"),
        ("format=dynamodb&view=NEW_IMAGES", "view='NEW_IMAGES' is unknown; did you mean 'NEW_IMAGE'?"),
        ("view=NEW_IMAGE", "view is an option of format=dynamodb, and the format is native"),
        ("format=dynamodb&style=streams&timestamps=MICROSECOND", "timestamps=MICROSECOND is for style=kinesis"),
    ],
)
def test_a_wrong_option_is_named_with_the_remedy(query: str, says: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        parse(f"stdout:?{query}")

    assert says in str(raised.value)
