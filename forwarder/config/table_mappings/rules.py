"""The rules of a mapping file, each as its type has it: which members there are, and what they may be. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from forwarder.config.table_mappings.wildcard import Wildcard

# One name, or several by wildcards.
Name = Annotated[Wildcard, BeforeValidator(lambda text: Wildcard(text) if isinstance(text, str) else text)]
Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]

FilterOperator = Literal["eq", "noteq", "gte", "lte", "ste", "between", "notbetween", "null", "notnull"]
NamingAction = Literal[
    "rename",
    "convert-lowercase",
    "convert-uppercase",
    "add-prefix",
    "remove-prefix",
    "replace-prefix",
    "add-suffix",
    "remove-suffix",
    "replace-suffix",
]
ColumnAction = Literal[
    "remove-column",
    "include-column",
    "data-masking-digits-mask",
    "data-masking-digits-randomize",
    "data-masking-hash-mask",
]
# What DMS has and forwarder has not; ``refusals`` says why, and what to write instead.
ForeignAction = Literal["add-column", "change-data-type", "define-primary-key"]
TransformationAction = Literal[NamingAction, ColumnAction, "add-before-image-columns", ForeignAction]
PartitionKeyType = Literal["schema-table", "transaction-id", "primary-key", "constant", "attribute-name"]


# The members that a filter operator takes; the others take ``value``.
_VALUES_OF: Mapping[FilterOperator, tuple[str, ...]] = {
    "between": ("start-value", "end-value"),
    "notbetween": ("start-value", "end-value"),
    "null": (),
    "notnull": (),
}


class Member(BaseModel):
    """A part of a rule. Its members are written with hyphens: ``rule-id``."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )


class Rule(Member):
    """What every rule has."""

    rule_id: Text
    rule_name: Text = ""

    def __str__(self) -> str:
        return f"rule {self.rule_id}"


class TableLocator(Member):
    """Which tables a rule is for."""

    schema_name: Name
    table_name: Name
    table_type: Literal["table", "view", "all"] = "table"


class FilterCondition(Member):
    """One comparison of a column."""

    filter_operator: FilterOperator
    value: Text | None = None
    start_value: Text | None = None
    end_value: Text | None = None

    @model_validator(mode="after")
    def _has_its_values(self) -> Self:
        given = {"value": self.value, "start-value": self.start_value, "end-value": self.end_value}
        needs = _VALUES_OF.get(self.filter_operator, ("value",))
        if {name for name, value in given.items() if value is not None} != set(needs):
            raise ValueError(f"filter-operator {self.filter_operator!r} takes {' and '.join(needs) or 'no value'}")
        return self


class Filter(Member):
    """Rows are captured of which one of the conditions holds."""

    filter_type: Literal["source"]
    column_name: str = Field(min_length=1)
    filter_conditions: list[FilterCondition] = Field(min_length=1)

    @model_validator(mode="after")
    def _negations_stand_alone(self) -> Self:
        negative = [
            condition.filter_operator for condition in self.filter_conditions if "not" in condition.filter_operator
        ]
        if negative and len(self.filter_conditions) > 1:
            raise ValueError(
                f"{negative[0]!r} stands alone in its filter, since conditions of one filter are joined by OR; write a filter for each"
            )
        return self


class SelectionRule(Rule):
    """Which tables are captured, and which rows of them. All ``filters`` have to hold."""

    rule_type: Literal["selection"]
    rule_action: Literal["include", "exclude", "explicit"]
    object_locator: TableLocator
    filters: list[Filter] = []
    # In which order DMS loads tables.
    load_order: Any = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        locator = self.object_locator
        if self.filters and self.rule_action == "exclude":
            raise ValueError(
                "filters say which rows are captured, and an exclude rule captures none; put them into the include rule"
            )
        if self.rule_action == "explicit" and (
            locator.schema_name.literal is None or locator.table_name.literal is None
        ):
            raise ValueError("explicit is for one table, named without wildcards; write include")
        return self


class ColumnLocator(Member):
    """Which schemas, tables or columns a transformation is for."""

    schema_name: Name
    table_name: Name | None = None
    column_name: Name | None = None
    table_tablespace_name: str | None = None
    index_tablespace_name: str | None = None
    # Columns by their type.
    data_type: Text | None = None


class BeforeImageDefinition(Member):
    """How the columns are called that hold old values, and which columns have them."""

    column_prefix: str = "BI_"
    column_suffix: str = ""
    column_filter: Literal["pk-only", "non-lob", "all"]

    @model_validator(mode="after")
    def _has_a_name_of_its_own(self) -> Self:
        if not self.column_prefix and not self.column_suffix:
            raise ValueError(
                "column-prefix and column-suffix are both empty, and the new column would be called as the old one"
            )
        return self

    def name(self, column: str) -> str:
        """What the column with the old value of a column is called."""
        return f"{self.column_prefix}{column}{self.column_suffix}"

    @property
    def sign(self) -> str:
        """What stands in the JSON of each row that has a column of such a name."""
        start, end = (json.dumps(text, ensure_ascii=False) for text in (self.column_prefix, self.column_suffix))
        return start[:-1] if self.column_prefix else end[1:]


class TransformationRule(Rule):
    """What becomes of the names of a schema, a table or a column, or of a column's values."""

    rule_type: Literal["transformation"]
    rule_target: Literal["schema", "table", "column", "table-tablespace", "index-tablespace"]
    rule_action: TransformationAction
    object_locator: ColumnLocator
    value: Text | None = None
    old_value: Text | None = None
    before_image_def: BeforeImageDefinition | None = None
    # Of actions that DMS has and forwarder has not.
    expression: Any = None
    data_type: Any = None
    primary_key_def: Any = None


class PartitionKey(Member):
    """A partition key that is the same for all records of a table."""

    value: Text


class AttributeMapping(Member):
    """An attribute that is made of columns: ``${lastname}, ${firstname}``, or an object of such texts."""

    target_attribute_name: str | None = None
    # As the guide also writes it.
    attribute_name: str | None = None
    attribute_type: Literal["scalar", "document"] = "scalar"
    attribute_sub_type: Literal["string", "json"] = "string"
    value: Any

    @model_validator(mode="after")
    def _is_named_and_made_of_texts(self) -> Self:
        if bool(self.target_attribute_name) == bool(self.attribute_name):
            raise ValueError("an attribute mapping needs its target-attribute-name")
        _require_texts(self.value)
        return self

    @property
    def name(self) -> str:
        """What the attribute is called."""
        return self.target_attribute_name or self.attribute_name or ""


def _require_texts(value: Any) -> None:
    members = value.values() if isinstance(value, dict) else ()
    for member in members:
        _require_texts(member)
    is_sound = isinstance(value, dict | str)
    if not is_sound:
        raise ValueError("value is a text such as '${column}', or an object of such texts")


class MappingParameters(Member):
    """What a record holds, and its partition key."""

    partition_key_type: PartitionKeyType | None = None
    partition_key_name: Text | None = None
    partition_key: PartitionKey | None = None
    exclude_columns: list[str] = []
    attribute_mappings: list[AttributeMapping] = []

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if self.partition_key and self.partition_key_type not in (None, "constant"):
            raise ValueError(
                f"partition-key is a constant, and partition-key-type is {self.partition_key_type!r}; leave out one of them"
            )
        if self.partition_key_type == "constant" and not (self.partition_key or self.partition_key_name):
            raise ValueError('partition-key-type constant needs its value: "partition-key": {"value": "…"}')
        if self.partition_key_type == "attribute-name" and not self.partition_key_name:
            raise ValueError("partition-key-type attribute-name needs partition-key-name, the attribute's name")
        names = [mapping.name for mapping in self.attribute_mappings]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"attribute {twice[0]!r} is mapped twice; leave out one of the mappings")
        return self


class ObjectMappingRule(Rule):
    """What a record of a table looks like."""

    rule_type: Literal["object-mapping"]
    rule_action: Literal["map-record-to-record", "map-record-to-document"]
    object_locator: TableLocator
    target_table_name: str | None = None
    mapping_parameters: MappingParameters = MappingParameters()


class TableSettingsRule(Rule):
    """How DMS divides the load of a table, and treats its large values. Nothing of it is needed here."""

    rule_type: Literal["table-settings"]
    object_locator: TableLocator
    parallel_load: Any = None
    lob_settings: Any = None


AnyRule = SelectionRule | TransformationRule | ObjectMappingRule | TableSettingsRule
RULE_TYPES: Mapping[str, type[AnyRule]] = {
    "selection": SelectionRule,
    "transformation": TransformationRule,
    "object-mapping": ObjectMappingRule,
    "table-settings": TableSettingsRule,
}
