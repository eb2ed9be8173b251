from __future__ import annotations

import pytest

from forwarder.config.key_template import Placeholder
from forwarder.config.partition_key import KeyRule, parse
from forwarder.errors import Misconfigured


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({}, KeyRule()),
        ({"prefix": "false", "keyless": "row-hash"}, KeyRule(prefix=False, keyless="row-hash")),
        ({"partition_key": "table"}, KeyRule(kind="table")),
        ({"partition_key": "transaction"}, KeyRule(kind="transaction")),
        ({"partition_key": "random"}, KeyRule(kind="random")),
        ({"partition_key": "constant:all:of it"}, KeyRule(kind="constant", constant="all:of it")),
        ({"partition_key": "column:region"}, KeyRule(kind="column", columns=("region",))),
        ({"partition_key": "column:region,Odd name"}, KeyRule(kind="column", columns=("region", "Odd name"))),
        ({"partition_key": "template:{table}"}, KeyRule(kind="template", pieces=(Placeholder("table"),))),
    ],
)
def test_each_kind_is_read(options: dict[str, str], rule: KeyRule) -> None:
    assert parse(options) == rule


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"partition_key": "tabel"}, "did you mean 'table'?"),
        ({"partition_key": ""}, "known: primary-key, table, transaction, constant:VALUE"),
        ({"partition_key": "constant"}, "write partition_key=constant:VALUE"),
        ({"partition_key": "constant:"}, "write partition_key=constant:VALUE"),
        ({"partition_key": "column:"}, "write partition_key=column:NAME[,NAME]"),
        ({"partition_key": "column:a,,b"}, "write partition_key=column:a,b"),
        ({"partition_key": "column:a,a"}, "write partition_key=column:a,b"),
        ({"partition_key": "table:orders"}, "write partition_key=table"),
        ({"partition_key": "table:"}, "write partition_key=table"),
        ({"partition_key": "template:"}, "write partition_key=template:TEXT"),
        ({"partition_key": "random", "prefix": "true"}, "prefix means nothing with partition_key=random"),
        (
            {"partition_key": "template:{table}", "prefix": "false"},
            "only with primary-key, table, column; leave it out",
        ),
        ({"partition_key": "table", "keyless": "table"}, "keyless means nothing with partition_key=table"),
        ({"prefix": "no"}, "prefix='no' is unknown"),
        ({"keyless": "rowhash"}, "did you mean 'row-hash'?"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(options: dict[str, str], remedy: str) -> None:
    with pytest.raises(Misconfigured) as error:
        parse(options)

    assert remedy in str(error.value)


def test_the_columns_of_rows_that_make_a_key_are_known() -> None:
    assert parse({"partition_key": "column:a,b"}).row_columns == ("a", "b")
    assert parse({"partition_key": "template:{after.a}{before.b}{before.a}{key.c}{context.d}"}).row_columns == (
        "a",
        "b",
    )
    assert parse({}).row_columns == ()
