"""What `forwarder migrate` says of a mapping file that `forwarder listen` would not read: that one takes it from the settings. Pure, but for paths."""

from __future__ import annotations

from pathlib import Path

from forwarder.config.table_mappings.naming import is_renaming
from forwarder.config.table_mappings.rules import ObjectMappingRule, TransformationRule
from forwarder.config.table_mappings.table_mappings import TableMappings


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
