"""What the rules of a mapping file make of one table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from forwarder.config.table_mappings.columns import MappedTable, not_sent
from forwarder.config.table_mappings.naming import TableNames, is_naming_columns, names_of
from forwarder.config.table_mappings.object_mapping import ObjectMapping, columns_named, object_mapping
from forwarder.config.table_mappings.parsing import parse
from forwarder.config.table_mappings.precedence import (
    ByTable,
    Contradicted,
    names_exactly,
    rank_of_table,
    refuse,
    the_one,
)
from forwarder.config.table_mappings.rules import (
    AnyRule,
    BeforeImageDefinition,
    ObjectMappingRule,
    SelectionRule,
    TransformationRule,
)
from forwarder.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class TableMappings:
    """The rules of one file, whose name is ``source``."""

    source: str
    rules: Sequence[AnyRule]
    # What becomes of rules that say different things of the records of a table.
    contradicted: Contradicted = refuse
    includes: ByTable[SelectionRule] = field(init=False, repr=False)
    excludes: ByTable[SelectionRule] = field(init=False, repr=False)
    transformations: ByTable[TransformationRule] = field(init=False, repr=False)
    object_mappings: ByTable[ObjectMappingRule] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        selections = [rule for rule in self.rules if isinstance(rule, SelectionRule)]
        includes = [rule for rule in selections if rule.rule_action != "exclude"]
        excludes = [
            rule for rule in selections if rule.rule_action == "exclude" and rule.object_locator.table_type != "view"
        ]
        transformations = [rule for rule in self.rules if isinstance(rule, TransformationRule)]
        object_mappings = [rule for rule in self.rules if isinstance(rule, ObjectMappingRule)]
        object.__setattr__(self, "includes", ByTable(includes))
        object.__setattr__(self, "excludes", ByTable(excludes))
        object.__setattr__(self, "transformations", ByTable(transformations))
        object.__setattr__(self, "object_mappings", ByTable(object_mappings))
        if not includes:
            raise Misconfigured(
                f'{self.source} selects no table; add a rule of "rule-type": "selection" with "rule-action": "include"'
            )

    def telling(self, contradicted: Contradicted) -> TableMappings:
        """The same for making records, which no contradiction may hold up: it is told, and the object has its name of the database.

        A rule with wildcards is for tables and columns too that come after `forwarder migrate` has looked for contradictions.
        """
        return replace(self, contradicted=contradicted)

    def selects(self, schema: str, table: str) -> bool:
        """Whether a table is captured: an include or explicit rule is for it, and no exclude rule."""
        is_included = any(_is_for(rule, schema, table) for rule in self.includes.matching(schema, table))
        return is_included and not self.excludes.matching(schema, table)

    def selecting(self, schema: str, table: str) -> SelectionRule:
        """The rule by which a table that is selected is captured: its filters hold.

        Raises:
            Misconfigured: two rules have different filters for it.
        """
        rule = the_one(
            (rule for rule in self.includes.matching(schema, table) if _is_for(rule, schema, table)),
            rank=lambda rule: rank_of_table(rule, schema, table),
            says=lambda rule: rule.filters,
            about=f"table {schema}.{table}",
        )
        assert rule is not None
        return rule

    def transforming(self, schema: str, table: str) -> Sequence[TransformationRule]:
        """The transformations that are for a table, its schema or its columns."""
        return self.transformations.matching(schema, table)

    def names(self, schema: str, table: str) -> TableNames:
        """What a table is called in records. The target-table-name of an object mapping counts over other rules.

        Raises:
            Misconfigured: two rules say different things of it.
        """
        names = names_of(self.transforming(schema, table), schema, table, contradicted=self.contradicted)
        mapping = self.object_mapping(schema, table)
        return replace(names, table=mapping.target_table) if mapping and mapping.target_table else names

    @property
    def change_rows(self) -> bool:
        """Whether any rule gives columns other names, or adds some."""
        return any(rule.before_image_def or is_naming_columns(rule) for rule in self.transformations.rules)

    def before_image(self, schema: str, table: str) -> BeforeImageDefinition | None:
        """Which columns of a table have their old value beside them in the record, and under which names; None: none.

        Raises:
            Misconfigured: two rules say different things of it.
        """
        rule = self.before_image_rule(schema, table)
        return rule.before_image_def if rule else None

    def before_image_rule(self, schema: str, table: str) -> TransformationRule | None:
        """The rule by which that is so.

        Raises:
            Misconfigured: two rules say different things of it.
        """
        return the_one(
            (rule for rule in self.transforming(schema, table) if rule.before_image_def),
            rank=lambda rule: rank_of_table(rule, schema, table),
            says=lambda rule: rule.before_image_def,
            about=f"the old values of table {schema}.{table}",
            contradicted=self.contradicted,
        )

    def object_mapping(self, schema: str, table: str) -> ObjectMapping | None:
        """What the records of a table look like; None: no rule says so.

        Raises:
            Misconfigured: two rules say different things of it.
        """
        if rule := self.object_mapping_rule(schema, table):
            return object_mapping(rule)
        if contradictory := self.object_mappings.matching(schema, table):
            # What any of them leaves out may not be sent.
            exclude = frozenset().union(*(rule.mapping_parameters.exclude_columns for rule in contradictory))
            return ObjectMapping(rule_id=contradictory[0].rule_id, shape="record").excluding(exclude)
        return None

    def object_mapping_rule(self, schema: str, table: str) -> ObjectMappingRule | None:
        """The object-mapping rule of a table.

        Raises:
            Misconfigured: two rules say different things of it.
        """
        return the_one(
            self.object_mappings.matching(schema, table),
            rank=lambda rule: rank_of_table(rule, schema, table),
            says=lambda rule: (rule.rule_action, rule.target_table_name, rule.mapping_parameters),
            about=f"the records of table {schema}.{table}",
            contradicted=self.contradicted,
        )

    def key_columns(self, schema: str, table: str) -> frozenset[str]:
        """The columns, as the database calls them, that any object mapping of a table makes its partition keys of."""
        rules = self.object_mappings.matching(schema, table)
        return frozenset().union(*(object_mapping(rule).key_columns for rule in rules))

    def require_distinct(self, tables: Iterable[MappedTable]) -> None:
        """See that no two of these tables get one name by the transformations. Object mappings may have them share one: a stream has no tables.

        Raises:
            Misconfigured: two do.
        """
        taken: dict[tuple[str, str], MappedTable] = {}
        for table in tables:
            names = names_of(self.transforming(table.schema, table.name), table.schema, table.name)
            if (other := taken.setdefault((names.schema, names.table), table)) != table:
                raise Misconfigured(
                    f"{self.source}: {other} and {table} would both be called {names.schema}.{names.table} in records; rename one of them otherwise"
                )

    def require_sound(self, table: MappedTable) -> None:
        """See that the rules about the records of a table go together.

        Raises:
            Misconfigured: two say different things, two columns would get one name, or a record is to be made of a column that is not there
                or is not sent.
        """
        names = self.names(table.schema, table.name)
        names.require_distinct(table.columns)
        self._require_free_names(table, names)
        self._require_attributes(table)

    def _require_free_names(self, table: MappedTable, names: TableNames) -> None:
        """See that no column has the name under which an old value is to be added."""
        rule = self.before_image_rule(table.schema, table.name)
        if rule is None or rule.before_image_def is None:
            return
        taken = {names.column(name): name for name in table.columns}
        for name in table.key if rule.before_image_def.column_filter == "pk-only" else table.columns:
            added = rule.before_image_def.name(names.column(name))
            if added in taken:
                raise Misconfigured(
                    f"rule-id {rule.rule_id} adds the old value of column {name} of {table} as {added}, which column {taken[added]} is called; give"
                    " before-image-def another column-prefix"
                )

    def _require_attributes(self, table: MappedTable) -> None:
        mapping = self.object_mapping(table.schema, table.name)
        if mapping is None or not table.columns:
            return
        named = mapping.exclude.union(*(columns_named(attribute.value) for attribute in mapping.attributes))
        if unknown := sorted(named.difference(table.columns)):
            raise Misconfigured(f"rule-id {mapping.rule_id} names column {unknown[0]!r}, which {table} does not have")
        attributes = {*table.columns, *(attribute.name for attribute in mapping.attributes)}
        if mapping.partition_key_type == "attribute-name" and mapping.partition_key_name not in attributes:
            raise Misconfigured(
                f"rule-id {mapping.rule_id} takes the partition key from {mapping.partition_key_name!r}, which is neither an attribute"
                f" that it maps nor a column of {table}"
            )
        self._require_sent(table, mapping)

    def _require_sent(self, table: MappedTable, mapping: ObjectMapping) -> None:
        """See that no attribute and no partition key is made of a column that the triggers leave out."""
        used = set().union(*(columns_named(attribute.value) for attribute in mapping.attributes))
        if mapping.partition_key_type == "attribute-name":
            used |= {mapping.partition_key_name} - {attribute.name for attribute in mapping.attributes}
        absent = not_sent(self.transforming(table.schema, table.name), table)
        if removed := sorted(used & absent.keys()):
            rule = absent[removed[0]]
            by = f"rule-id {rule.rule_id} removes" if rule else "no include-column rule names"
            raise Misconfigured(
                f"rule-id {mapping.rule_id} makes a record or its partition key of column {removed[0]} of {table}, which {by}, so that it is not"
                " sent; send it, or leave it out of the object mapping"
            )


def read(text: str, *, source: str) -> TableMappings:
    """The mappings of a file's text.

    Raises:
        Misconfigured: the text is none of a mapping file, or selects no table.
    """
    return TableMappings(source, parse(text, source=source))


def _is_for(rule: SelectionRule, schema: str, table: str) -> bool:
    """An explicit rule is for the very name; the underscores of others stand for any character."""
    return rule.rule_action != "explicit" or names_exactly(rule, schema, table)
