"""A mapping file is read in every shape, and what is wrong with it is said in one line, with the rule's id and the remedy."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given

from forwarder.config.table_mappings import words
from forwarder.config.table_mappings.columns import MappedTable, columns_of
from forwarder.config.table_mappings.parsing import parse
from forwarder.config.table_mappings.table_mappings import read
from forwarder.errors import Misconfigured
from tests.mapped import ARTICLE, SOURCE, filtered, mappings_of, numbered, object_mapping, selection, transformation
from tests.mutated import mutated

RULES = json.loads(ARTICLE)["rules"]


def problem(text: str) -> str:
    with pytest.raises(Misconfigured) as raised:
        read(text, source=SOURCE)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    "document",
    [
        {"rules": RULES},
        RULES,
        {"TableMappings": json.dumps({"rules": RULES})},
        {"TableMappings": {"rules": RULES}},
        {
            "ReplicationTasks": [
                {"ReplicationTaskIdentifier": "a", "TableMappings": json.dumps({"rules": RULES}, indent=1)}
            ]
        },
        {"ReplicationConfigs": [{"TableMappings": json.dumps({"rules": RULES})}]},
        {"ReplicationTask": {"TableMappings": json.dumps({"rules": RULES})}},
    ],
)
def test_the_rules_are_found_in_every_shape_of_file(document: Any) -> None:
    assert parse(json.dumps(document), source=SOURCE) == parse(ARTICLE, source=SOURCE)


def test_members_that_the_console_leaves_null_are_none() -> None:
    rule = {**RULES[0], "rule-id": 1, "filters": [], "load-order": None, "value": None, "old-value": None}
    assert parse(json.dumps([rule]), source=SOURCE) == parse(json.dumps([RULES[0]]), source=SOURCE)


def test_the_rules_may_stand_in_any_order() -> None:
    mappings = mappings_of(
        transformation("rename", "public.a", "table", value="b"),
        selection("public.b", "exclude"),
        selection("public.%"),
    )
    assert mappings.selects("public", "a")
    assert not mappings.selects("public", "b")
    assert mappings.names("public", "a").table == "b"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "mappings.json is not valid JSON: Expecting value at line 1, column 1"),
        ('{"rules": [}', "mappings.json is not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("1", 'there is a number where {"rules": […]} should be'),
        ('{"rulez": []}', "mappings.json has no table mappings"),
        ('{"rules": {}}', "rules is an object, and should be a list"),
        ('{"rules": []}', 'mappings.json selects no table; add a rule of "rule-type": "selection"'),
        ('{"rules": [1]}', "rule 1 of the list is a number, and should be an object"),
        ('{"TableMappings": "{"}', "TableMappings in mappings.json is not valid JSON"),
        (json.dumps({"ReplicationTasks": [{"TableMappings": "{}"}] * 2}), "has 2 tasks.*import-dms"),
    ],
)
def test_a_file_that_is_none_is_told_so(text: str, says: str) -> None:
    assert says.split(".*")[0] in problem(text)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"rule-type": "selecton"}, "rule-type 'selecton' is unknown; did you mean 'selection'?"),
        ({"rule-type": None}, "rule-type is missing; known: selection, transformation"),
        (selection(action="inclde"), "rule-action 'inclde' is unknown; did you mean 'include'?"),
        (selection() | {"objct-locator": {}}, "objct-locator is unknown; did you mean 'object-locator'?"),
        (selection("public"), "object-locator.table-name is missing"),
        (
            selection() | {"object-locator": {"schema-name": "a", "tabel-name": "b"}},
            "object-locator.tabel-name is unknown; did you mean 'table-name'?",
        ),
        (selection("public.[a"), "object-locator.table-name: '[a' has a [ that is not closed"),
        (selection("public.a%", "explicit"), "explicit is for one table, named without wildcards; write include"),
        (
            selection() | {"object-locator": {"schema-name": "a", "table-name": "b", "table-type": "view"}},
            "select the tables that it is made of",
        ),
        (
            selection(action="exclude", filters=[filtered("a", {"filter-operator": "null"})]),
            "put them into the include rule",
        ),
        (
            selection(filters=[filtered("a", {"filter-operator": "equals"})]),
            "filter-operator 'equals' is unknown; known: eq",
        ),
        (selection(filters=[filtered("a", {"filter-operator": "eq"})]), "filter-operator 'eq' takes value"),
        (
            selection(filters=[filtered("a", {"filter-operator": "between", "value": 1})]),
            "takes start-value and end-value",
        ),
        (
            selection(filters=[filtered("a", {"filter-operator": "null", "value": 1})]),
            "filter-operator 'null' takes no value",
        ),
        (
            selection(filters=[filtered("a", {"filter-operator": "noteq", "value": 1}, {"filter-operator": "null"})]),
            "'noteq' stands alone in its filter",
        ),
        (
            transformation("remove-colum", "a.b.c"),
            "rule-action 'remove-colum' is unknown; did you mean 'remove-column'?",
        ),
        (transformation("remove-column", "a.b"), "object-locator.column-name is missing"),
        (
            transformation("remove-column", "a.b", "table"),
            'remove-column is for columns; write "rule-target": "column"',
        ),
        (transformation("rename", "a.b", "table"), "value is missing, which rename needs"),
        (
            transformation("replace-prefix", "a.b", "table", value="x"),
            "old-value is missing, which replace-prefix needs",
        ),
        (transformation("rename", "a.b", "table", value="x\0"), "value has the character NUL in it, which PostgreSQL"),
        (
            transformation("rename", "a.b.c", value="x\ud800"),
            "value has a character in it that is none of Unicode; write it in UTF-8",
        ),
        (
            selection("a.b", filters=[filtered("c", {"filter-operator": "eq", "value": "\ud800"})]),
            "filters.0.filter-conditions.0.value has a character in it",
        ),
        (
            object_mapping(
                "a.b", parameters={"attribute_mappings": [{"target-attribute-name": "\udc80", "value": ""}]}
            ),
            "mapping-parameters.attribute-mappings.0.target-attribute-name has a character in it",
        ),
        (
            transformation("rename", "a.b", "table-tablespace", value="x"),
            "a stream has no tablespaces; leave the rule out",
        ),
        (
            transformation("add-column", "a.b", value="c", expression="1"),
            "add-column: forwarder has no SQLite.*GENERATED ALWAYS AS",
        ),
        (transformation("change-data-type", "a.b.c", data_type={"type": "int8"}), "alter the column's type"),
        (transformation("define-primary-key", "a.b", "table", primary_key_def={}), "give the table a primary key"),
        (transformation("data-masking-digits-mask", "a.b.c"), "value is missing"),
        (transformation("data-masking-digits-mask", "a.b.c", value="##"), "one printable ASCII character such as '#'"),
        (transformation("add-before-image-columns", "a.b"), "before-image-def is missing"),
        (
            transformation("add-before-image-columns", "a.b", before_image_def={"column-filter": "non-lob"}),
            "write all, or pk-only",
        ),
        (
            transformation(
                "add-before-image-columns", "a.b", before_image_def={"column-filter": "all", "column-prefix": ""}
            ),
            "column-prefix and column-suffix are both empty",
        ),
        (
            object_mapping("a.b", "map-record-to-recrd"),
            "rule-action 'map-record-to-recrd' is unknown; did you mean 'map-record-to-record'?",
        ),
        (object_mapping("a.b", parameters={"partition_key_type": "random"}), "partition-key-type 'random' is unknown"),
        (
            object_mapping("a.b", parameters={"partition_key_type": "constant"}),
            "partition-key-type constant needs its value",
        ),
        (object_mapping("a.b", parameters={"partition_key_type": "attribute-name"}), "needs partition-key-name"),
        (
            object_mapping("a.b", parameters={"partition_key_type": "primary-key", "partition_key": {"value": "x"}}),
            "partition-key is a constant, and partition-key-type is 'primary-key'",
        ),
        (object_mapping("a.b", parameters={"attribute_mappings": [{"value": "x"}]}), "needs its target-attribute-name"),
        (
            object_mapping(
                "a.b", parameters={"attribute_mappings": [{"target-attribute-name": "x", "value": {"a": 1}}]}
            ),
            "value is a text such as '${column}'",
        ),
        (
            object_mapping("a.b", parameters={"attribute_mappings": [{"target-attribute-name": "x", "value": ""}] * 2}),
            "attribute 'x' is mapped twice",
        ),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_its_id_and_the_remedy(rule: dict[str, Any], says: str) -> None:
    message = problem(numbered(selection(), rule))
    assert message.startswith("mappings.json: rule-id 2: ")
    assert says.split(".*")[0] in message
    assert says.split(".*")[-1] in message


def test_a_rule_id_is_that_of_one_rule() -> None:
    message = problem(json.dumps([RULES[0], {**RULES[1], "rule-id": 1}]))
    assert message == "mappings.json: rule-id 1 is that of rules 1 and 2 of the list; give each its own"


def test_ten_thousand_rules_are_read_and_asked_within_seconds() -> None:
    """By the CPU: whoever else uses the machine is not waited for."""
    rules = [selection(f"public.t_{number}") for number in range(9_000)]
    rules += [transformation("remove-column", f"public.t_{number}.ssn") for number in range(1_000)]
    began = time.process_time()
    mappings = mappings_of(*rules)
    found = [mappings.selects("public", f"t_{number}") for number in range(10_000)]
    assert time.process_time() - began < 10
    assert found.count(True) == 9_000


ALL_KINDS = [
    selection(
        "public.a", filters=[filtered("id", {"filter-operator": "between", "start-value": "1", "end-value": "2"})]
    ),
    transformation("rename", "public.a", "table", value="b"),
    transformation("replace-prefix", "public.a.id", value="b", old_value="i"),
    transformation("data-masking-digits-mask", "%.%.name", value="#"),
    transformation(
        "add-before-image-columns", "public.a", before_image_def={"column-filter": "all", "column-prefix": "x"}
    ),
    object_mapping(
        "public.a",
        target_table_name="c",
        parameters={
            "partition_key_type": "attribute-name",
            "partition_key_name": "n",
            "exclude_columns": ["id"],
            "attribute_mappings": [
                {"target-attribute-name": "n", "attribute-type": "document", "value": {"x": "${id}"}}
            ],
        },
    ),
    {"rule-type": "table-settings", "object-locator": {"schema-name": "%", "table-name": "%"}, "lob-settings": {}},
]


@given(mutated(json.loads(numbered(*ALL_KINDS))))
def test_whatever_is_in_a_file_is_followed_or_told_in_one_line(document: Any) -> None:
    table = MappedTable(schema="public", name="a", columns=("id", "name"), key=("id",), texts=frozenset({"name"}))
    told = "rule"
    try:
        mappings = read(json.dumps(document), source=SOURCE)
        if mappings.selects("public", "a"):
            columns_of(mappings.transforming("public", "a"), table)
            mappings.require_sound(table)
            mappings.require_distinct([table])
            told = "".join([*words.of_table(mappings, table), *words.of_others(mappings, [table])])
    except Misconfigured as error:
        told = str(error)
    assert "rule" in told or "selects no table" in told
    assert len(told) < 2000
