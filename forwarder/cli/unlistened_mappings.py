"""What `migrate` says of a mapping file that `listen` would not read, since that one takes it from the settings. Pure, but for paths."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from forwarder.config.table_mappings.rules import (
    AnyRule,
    MappingParameters,
    NamingAction,
    ObjectMappingRule,
    TransformationRule,
)
from forwarder.config.table_mappings.table_mappings import TableMappings

_OF_NAMES = get_args(NamingAction)


def unlistened(mappings: TableMappings, *, path: Path, in_settings: Path | None) -> str | None:
    """A warning that records will not be as the rules of a file say; None if `listen` reads that file, or none of its rules is about records.

    Args:
        path: where the mappings are from, as the command line names it.
        in_settings: the file that the settings name.
    """
    if in_settings and in_settings.resolve() == path.resolve():
        return None
    if not (ids := [rule.rule_id for rule in mappings.rules if _is_about_records(rule)]):
        return None
    named = f"name {in_settings}" if in_settings else "name no file"
    return (
        f"rule-id {ids[0]} of {mappings.source} is about records, for which `forwarder listen` takes table_mappings in the settings; they {named}:"
        f' write table_mappings = "{path}" in forwarder.toml, or set FORWARDER_TABLE_MAPPINGS'
    )


def _is_about_records(rule: AnyRule) -> bool:
    """Whether records would be others without it; all else that rules say is done by triggers."""
    match rule:
        case TransformationRule():
            return rule.rule_action in _OF_NAMES or rule.before_image_def is not None
        case ObjectMappingRule():
            is_plain = rule.rule_action == "map-record-to-record" and rule.target_table_name is None
            return not is_plain or rule.mapping_parameters != MappingParameters()
        case _:
            return False
