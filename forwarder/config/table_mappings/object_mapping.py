"""What an object-mapping rule says of the records of a table. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from forwarder.config.table_mappings.rules import AttributeMapping, ObjectMappingRule, PartitionKeyType

Shape = Literal["record", "document"]
# Literal text and names of columns in turn, beginning and ending with text: ``"${a}, ${b}"`` is ``("", "a", ", ", "b", "")``.
Template = tuple[str, ...]
# A template, or an object of them.
Value = Template | Mapping[str, "Value"]

_COLUMN = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A member of a record that is made of columns. ``is_json``: its text is JSON, and not to be put into a string."""

    name: str
    value: Value
    is_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMapping:
    """The records of one table: columns as members or all in ``_doc``, without ``exclude``, and with ``attributes`` beside them."""

    rule_id: str
    shape: Shape
    # None: as DMS does without a rule about it, which its endpoint settings say.
    partition_key_type: PartitionKeyType | None = None
    # The attribute of ``attribute-name``, or the text of ``constant``.
    partition_key_name: str = ""
    target_table: str | None = None
    exclude: frozenset[str] = frozenset()
    # The same columns as the database calls them: ``renamed`` leaves these names.
    excluded_there: frozenset[str] = frozenset()
    attributes: Sequence[Attribute] = ()

    @property
    def is_plain(self) -> bool:
        """Whether a record is as without a rule: each column a member."""
        return self.shape == "record" and not self.exclude and not self.attributes

    @property
    def key_attribute(self) -> Attribute | None:
        """The mapped attribute whose text is the partition key; None if it is a column's, or the key is made otherwise."""
        if self.partition_key_type != "attribute-name":
            return None
        return next((each for each in self.attributes if each.name == self.partition_key_name), None)

    @property
    def key_columns(self) -> frozenset[str]:
        """The columns that the partition key is made of: of ``attribute-name`` that column, or those in the attribute's template."""
        if self.partition_key_type != "attribute-name":
            return frozenset()
        attribute = self.key_attribute
        return columns_named(attribute.value) if attribute else frozenset((self.partition_key_name,))

    def excluding(self, columns: frozenset[str]) -> ObjectMapping:
        """The same without these columns, which have the names of the database."""
        return replace(self, exclude=columns, excluded_there=columns)

    def renamed(self, column: Callable[[str], str], added: Callable[[str], Iterable[str]]) -> ObjectMapping:
        """The same for a table whose columns are called otherwise.

        Args:
            column: from a column's name to the one that it has in the record.
            added: the names of further columns that hold values of a column. They are excluded with it.
        """
        attributes = [replace(attribute, value=_with_columns(attribute.value, column)) for attribute in self.attributes]
        key_name = self.partition_key_name
        if self.partition_key_type == "attribute-name" and key_name not in {attribute.name for attribute in attributes}:
            key_name = column(key_name)
        exclude = frozenset(chain(map(column, self.exclude), *map(added, self.exclude)))
        return replace(self, exclude=exclude, attributes=attributes, partition_key_name=key_name)


def object_mapping(rule: ObjectMappingRule) -> ObjectMapping:
    """What a rule says."""
    said = rule.mapping_parameters
    constant = said.partition_key.value if said.partition_key else None
    exclude = frozenset(said.exclude_columns)
    return ObjectMapping(
        rule_id=rule.rule_id,
        shape="document" if rule.rule_action == "map-record-to-document" else "record",
        partition_key_type="constant" if constant is not None else said.partition_key_type,
        partition_key_name=constant if constant is not None else said.partition_key_name or "",
        target_table=rule.target_table_name,
        exclude=exclude,
        excluded_there=exclude,
        attributes=tuple(map(_attribute, said.attribute_mappings)),
    )


def template(text: str) -> Template:
    """A text with ``${column}`` in it, in its parts."""
    return tuple(_COLUMN.split(text))


def columns_named(value: Value) -> frozenset[str]:
    """The columns that a value is made of."""
    if isinstance(value, Mapping):
        return frozenset().union(*map(columns_named, value.values()))
    return frozenset(value[1::2])


def _with_columns(value: Value, column: Callable[[str], str]) -> Value:
    if isinstance(value, Mapping):
        return {name: _with_columns(member, column) for name, member in value.items()}
    return tuple(column(part) if place % 2 else part for place, part in enumerate(value))


def _attribute(mapping: AttributeMapping) -> Attribute:
    return Attribute(name=mapping.name, value=_value(mapping.value), is_json=mapping.attribute_sub_type == "json")


def _value(value: object) -> Value:
    if isinstance(value, dict):
        return {name: _value(member) for name, member in value.items()}
    return template(str(value))
