"""The options of format=debezium, under Debezium's own names."""

from __future__ import annotations

import pytest

from forwarder.config.formats import Debezium
from forwarder.config.sink_url import parse
from forwarder.errors import Misconfigured


def test_options_have_the_names_and_defaults_that_debezium_gives_them() -> None:
    assert parse("stdout:?format=debezium").format == Debezium()
    url = "stdout:?format=debezium&topic.prefix=srv&decimal.handling.mode=string&binary.handling.mode=base64-url-safe&exact=true"
    assert parse(url).format == Debezium(
        topic_prefix="srv", decimal_handling_mode="string", binary_handling_mode="base64-url-safe", exact=True
    )


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ("decimal.handling.mode=exact", r"decimal\.handling\.mode='exact' is unknown; .*precise"),
        ("skipped.operations=u", r"skipped\.operations='u' is unknown"),
        ("provide.transaction.metadata=yes", r"provide\.transaction\.metadata='yes' is unknown; .*true"),
        ("topic.prefx=srv", r"unknown option 'topic\.prefx'; .*topic\.prefix"),
        ("decimal_handling_mode=string", r"unknown option 'decimal_handling_mode'; .*decimal\.handling\.mode"),
    ],
)
def test_a_wrong_option_is_named_with_the_remedy(options: str, remedy: str) -> None:
    with pytest.raises(Misconfigured, match=remedy):
        parse(f"stdout:?format=debezium&{options}")


def test_its_options_are_refused_for_another_format() -> None:
    with pytest.raises(Misconfigured, match=r"topic\.prefix is an option of format=debezium, and the format is native"):
        parse("stdout:?topic.prefix=srv")
