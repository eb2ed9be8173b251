"""``forwarder.listen.table_filter``."""

from __future__ import annotations

import pytest

from forwarder.errors import Misconfigured
from forwarder.events import CapturedTable
from forwarder.listen.table_filter import table_filter

ORDERS = CapturedTable(id=1, relation=1, schema="public", name="orders", key_columns=(), before_image="full")


def test_a_sink_without_patterns_is_for_all_tables() -> None:
    assert table_filter([]) is None


@pytest.mark.parametrize(("patterns", "is_wanted"), [(["audit.*", "ord*"], True), (["audit.*"], False)])
def test_a_table_is_wanted_if_any_pattern_names_it(patterns: list[str], *, is_wanted: bool) -> None:
    wants = table_filter(patterns)
    assert wants
    assert [wants(ORDERS), wants(ORDERS)] == [is_wanted] * 2


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(Misconfigured):
        table_filter(["a.b.c"])
