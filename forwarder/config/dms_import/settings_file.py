"""Writes the settings file that a task of DMS becomes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from forwarder.config.dms_import.description import Description
from forwarder.config.dms_import.findings import Findings
from forwarder.config.dms_import.loads import LoadedTables, loaded_tables
from forwarder.config.dms_import.source import database_url, source_switches
from forwarder.config.dms_import.target import kinesis_settings, sink_url
from forwarder.config.dms_import.task import explain, sink_options
from forwarder.config.table_mappings.parsing import survey
from forwarder.config.table_mappings.rules import ObjectMappingRule
from forwarder.config.toml_values import text

_WIDTH = 110
# What a sink's name may not have, and how much of it there may be.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_NAME = 63


def settings_file(found: Description, *, sources: Sequence[str], mappings_path: str | None) -> str:
    """The text of the file.

    Args:
        sources: what the files are called that it is made of.
        mappings_path: where the table mappings are, from the folder of the settings on; None: there are none.
    """
    database, sink, task = Findings(), Findings(), Findings()
    url = database_url(found.source, database) if found.source else ""
    rules, problems = survey(found.mappings, source=mappings_path or "") if found.mappings else ((), ())
    has_keys = any(isinstance(rule, ObjectMappingRule) and rule.mapping_parameters.partition_key_type for rule in rules)
    options = sink_options(found.task)
    switches = source_switches(found.source, sink) if found.source else {}
    sink_address = sink_url(found.target or {}, sink, options=switches | options)
    _explain_key(options, sink, has_keys=has_keys)
    if found.task:
        explain(found.task, task)
    loaded = loaded_tables(found.task, rules, task)
    lacking = [*database.lacking, *sink.lacking, *task.lacking, *problems]
    sections = [
        _comment(
            f"Made by `forwarder import-dms` of {', '.join(sources)}. Above each setting stands what it was in DMS."
        ),
        _mappings(mappings_path),
        *_loaded(loaded),
        ["[database]", *_notes(database.became), *_database(url)],
        ["[capture]", *_comment("For IncludeTableAlterOperations:"), "schema_events = true"]
        if _tells_schemas(found)
        else [],
        [
            "[[sink]]",
            f"name = {text(_name(found))}",
            *_notes(sink.became),
            f"url = {text(sink_address)}",
            *_comment(
                "From `forwarder migrate` on, so nothing is lost between the two; what DMS sends after that comes twice."
            ),
            'start = "oldest"',
        ],
        [*_comment(f"Task {found.task.name}:"), *_notes(task.became)] if found.task else [],
        [*_comment("Without a counterpart, and what to do:"), *_notes(lacking)]
        if lacking
        else _comment("Nothing is without a counterpart."),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _mappings(path: str | None) -> list[str]:
    if path is None:
        return _comment("No table mappings were given: say which tables to capture, by table_mappings or [[table]].")
    return [
        *_comment("TableMappings: `forwarder migrate --plan` says what each rule became."),
        f"table_mappings = {text(path)}",
    ]


def _loaded(tables: Sequence[LoadedTables]) -> Iterator[list[str]]:
    for place, table in enumerate(tables):
        yield [
            *(_comment("The rows that these tables have already are sent too, once:") if place == 0 else []),
            "[[table]]",
            f"match = {text(table.match)}",
            *([f"exclude = [{', '.join(map(text, table.exclude))}]"] if table.exclude else []),
            'load = "initial"',
        ]


def _database(url: str) -> list[str]:
    said = _comment("With its password, hand the URL over as FORWARDER_DATABASE_URL, which counts over this one.")
    return (
        [*said, f"url = {text(url)}"]
        if url
        else _comment("No source endpoint was given: hand the URL over as FORWARDER_DATABASE_URL.")
    )


def _tells_schemas(found: Description) -> bool:
    settings = kinesis_settings(found.target) if found.target else {}
    return str(settings.get("IncludeTableAlterOperations")).lower() == "true"


def _explain_key(options: Mapping[str, str], findings: Findings, *, has_keys: bool) -> None:
    if "partition_key" in options:
        what = (
            "table, as DMS has it without parallel threads; primary-key keeps the order of each row and uses all shards"
        )
    else:
        what = "the primary key, as in DMS with parallel threads"
    by_rule = "what the object-mapping rules say, each for its tables; of all others " if has_keys else ""
    findings.decide(f"The partition key is {by_rule}{what}")


def _name(found: Description) -> str:
    name = found.task.name if found.task else str((found.target or {}).get("EndpointIdentifier") or "default")
    return _NOT_IN_NAMES.sub("-", name)[:_MAX_NAME]


def _notes(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        first, *rest = _wrapped(line)
        yield f"# * {first}"
        yield from (f"#   {part}" for part in rest)


def _comment(words: str) -> list[str]:
    return [f"# {line}" for line in _wrapped(words)]


def _wrapped(words: str) -> list[str]:
    printable = "".join(letter if letter.isprintable() else " " for letter in words)
    return wrap(printable, _WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
