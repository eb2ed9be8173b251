"""What a mapping file may ask for that forwarder cannot do: why, and what to write instead. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.config.table_mappings.rules import AnyRule, SelectionRule, TransformationRule

_VIEWS = "a view has no rows of its own, and so no trigger tells of their changes; select the tables that it is made of"
_TABLESPACES = "a stream has no tablespaces; leave the rule out"
_ACTIONS = {
    "add-column": "forwarder has no SQLite to compute a column; make it a generated column of the table (ALTER TABLE … ADD COLUMN … GENERATED"
    " ALWAYS AS (…) STORED), or an attribute-mappings entry of an object-mapping rule if it is text made of other columns",
    "change-data-type": "values are sent as PostgreSQL writes them; alter the column's type, or make a generated column of the type that"
    " consumers need and remove this one",
    "define-primary-key": "the key is that of the table; give the table a primary key or a unique index, or name the column for the partition key in"
    " an object-mapping rule (partition-key-type attribute-name)",
}
# By action, the members that it cannot do without.
_NEEDED = {
    **dict.fromkeys(("rename", "add-prefix", "remove-prefix", "add-suffix", "remove-suffix"), ("value",)),
    **dict.fromkeys(("replace-prefix", "replace-suffix"), ("value", "old-value")),
    "data-masking-digits-mask": ("value",),
    "add-before-image-columns": ("before-image-def",),
}
_OF_COLUMNS = ("remove-column", "include-column", "add-before-image-columns", "data-masking-")


def refusal(rule: AnyRule) -> str | None:
    """Why this rule cannot be followed, and the remedy; None if it can."""
    if isinstance(rule, SelectionRule):
        return _VIEWS if rule.object_locator.table_type == "view" and rule.rule_action != "exclude" else None
    return _of_transformation(rule) if isinstance(rule, TransformationRule) else None


def _of_transformation(rule: TransformationRule) -> str | None:
    action, locator = rule.rule_action, rule.object_locator
    if rule.rule_target.endswith("tablespace"):
        return _TABLESPACES
    if action in _ACTIONS:
        return f"{action}: {_ACTIONS[action]}"
    if locator.data_type is not None:
        return "columns cannot be chosen by their data-type; name them by column-name"
    if action.startswith(_OF_COLUMNS) and rule.rule_target != "column":
        return f'{action} is for columns; write "rule-target": "column"'
    if missing := [name for name in _needed_locators(rule) if getattr(locator, name) is None]:
        return f"object-locator.{missing[0].replace('_', '-')} is missing"
    given = {"value": rule.value, "old-value": rule.old_value, "before-image-def": rule.before_image_def}
    # A prefix or a suffix may be replaced by nothing.
    nothing = (None,) if action.startswith("replace") and rule.old_value else (None, "")
    if missing := [name for name in _NEEDED.get(action, ()) if given[name] in nothing]:
        return f"{missing[0]} is missing, which {action} needs"
    return _of_value(rule)


def _needed_locators(rule: TransformationRule) -> Sequence[str]:
    if rule.rule_target == "schema":
        return ()
    if rule.rule_target == "table" or rule.rule_action == "add-before-image-columns":
        return ("table_name",)
    return ("table_name", "column_name")


def _of_value(rule: TransformationRule) -> str | None:
    if rule.before_image_def and rule.before_image_def.column_filter == "non-lob":
        return "column-filter non-lob: records do not tell which columns are large objects; write all, or pk-only"
    if rule.rule_action == "data-masking-digits-mask" and not _is_mask(rule.value or ""):
        return "value is one printable ASCII character such as '#', which stands for each digit"
    return None


def _is_mask(value: str) -> bool:
    return len(value) == 1 and value.isascii() and value.isprintable() and not value.isspace() and not value.isdigit()
