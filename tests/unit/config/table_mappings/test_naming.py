from __future__ import annotations

from typing import Any

import pytest

from forwarder.errors import Misconfigured
from tests.mapped import mappings_of, object_mapping, selection, transformation


@pytest.mark.parametrize(
    ("action", "members", "name"),
    [
        ("rename", {"value": "x"}, "x"),
        ("convert-lowercase", {}, "pre_orders_dms"),
        ("convert-uppercase", {}, "PRE_ORDERS_DMS"),
        ("add-prefix", {"value": "x_"}, "x_Pre_Orders_DMS"),
        ("remove-prefix", {"value": "Pre_"}, "Orders_DMS"),
        ("remove-prefix", {"value": "pre_"}, "Pre_Orders_DMS"),
        ("replace-prefix", {"old_value": "Pre_", "value": "New_"}, "New_Orders_DMS"),
        ("replace-prefix", {"old_value": "Old_", "value": "New_"}, "Pre_Orders_DMS"),
        ("add-suffix", {"value": "_x"}, "Pre_Orders_DMS_x"),
        ("remove-suffix", {"value": "_DMS"}, "Pre_Orders"),
        ("replace-suffix", {"old_value": "_DMS", "value": ""}, "Pre_Orders"),
        ("replace-suffix", {"old_value": "_DMS", "value": "_k"}, "Pre_Orders_k"),
        ("remove-suffix", {"value": "Pre_Orders_DMS"}, "Pre_Orders_DMS"),
    ],
)
@pytest.mark.parametrize("target", ["schema", "table", "column"])
def test_each_action_names_schemas_tables_and_columns(
    target: str, action: str, members: dict[str, Any], name: str
) -> None:
    where = {"schema": "%", "table": "%.%", "column": "%.%.%"}[target]
    mappings = mappings_of(selection("%.%"), transformation(action, where, target, **members))
    names = mappings.names("Pre_Orders_DMS", "Pre_Orders_DMS")
    found = {"schema": names.schema, "table": names.table, "column": names.column("Pre_Orders_DMS")}
    assert found.pop(target) == name
    assert set(found.values()) == {"Pre_Orders_DMS"}


def test_the_rule_that_names_an_object_counts_before_those_with_wildcards() -> None:
    names = mappings_of(
        selection(),
        transformation("convert-uppercase", "public.%.%"),
        transformation("rename", "public.orders.id", value="number"),
    ).names("public", "orders")
    assert [names.column(name) for name in ("id", "total")] == ["number", "TOTAL"]


def test_of_two_rules_for_a_column_the_one_that_names_its_table_too_counts() -> None:
    names = mappings_of(
        selection(),
        transformation("rename", "%.%.id", value="any"),
        transformation("rename", "public.orders.id", value="own"),
        transformation("rename", "public.orders.%d", value="wild"),
    ).names("public", "orders")
    assert names.column("id") == "own"


def test_two_rules_that_differ_about_one_object_are_named() -> None:
    mappings = mappings_of(
        selection(),
        transformation("convert-uppercase", "p%.%", "table"),
        transformation("add-prefix", "%.%", "table", value="x"),
    )
    with pytest.raises(
        Misconfigured, match=r"rule-ids 2 and 3 say different things of table public\.orders; leave one of them out"
    ):
        mappings.names("public", "orders")


def test_the_target_table_name_of_an_object_mapping_counts_over_a_rename() -> None:
    mappings = mappings_of(
        selection(),
        transformation("rename", "public.orders", "table", value="a"),
        object_mapping("public.orders", target_table_name="b"),
    )
    assert mappings.names("public", "orders").table == "b"
