"""What the settings of a DMS task are here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forwarder.config.dms_import.description import Task
from forwarder.config.dms_import.findings import Findings
from forwarder.config.dms_import.spelling import is_true, word

_STOPS = ("STOP_TASK",)
# Settings of ErrorBehavior: what becomes of a record that the target refuses, and of one that is too large for it.
_REFUSALS = ("DataErrorPolicy", "ApplyErrorInsertPolicy")
_TRUNCATION = "DataTruncationErrorPolicy"
_FAILED = "what the stream refuses is set aside (`forwarder dead-letters`), and its table goes on"
_BECAME = {
    "Logging": "logs go to standard error; [log] format",
    "StreamBufferSettings": "max_bytes in [listen]; it is enough as it is",
    "ChangeProcessingTuning": "nothing: records are sent as they are committed, and requests in flight follow the stream",
    "FullLoadSettings": "nothing; [load] says how many tables are loaded at once, and how gently",
    "ValidationSettings": "nothing: DMS does not validate a Kinesis target either",
    "FailTaskWhenCleanTaskResourceFailed": "nothing: there are no such resources",
    "TargetMetadata": "nothing: values are sent whole, and threads follow the stream",
    "ChangeProcessingDdlHandlingPolicy": "a TRUNCATE is a record; for other changes of a table see schema_events in [capture]",
}
_LACKING = {
    "ControlTablesSettings": "there are no control tables in the stream; see `forwarder sinks list`, `forwarder dead-letters list` and /metrics",
    "CharacterSetSettings": "characters are not replaced: text is sent in UTF-8 as it is",
    "LoopbackPreventionSettings": "changes cannot be left out by who made them; give the other writer's role"
    " `ALTER ROLE … SET session_replication_role = replica`, which fires no trigger",
    "TTSettings": "there is no record of all statements; audit in [[table]] says who made a change",
    "PostProcessingRules": "nothing runs behind a load",
    "ReplicationRuleSettings": "import-dms does not know it",
}
# By the value of TargetMetadata.ParallelApplyThreads, DMS partitions otherwise.
_THREADS = "ParallelApplyThreads"


def explain(task: Task, findings: Findings) -> None:
    """A line for each group of settings that the task has."""
    _explain_type(task, findings)
    settings = dict(task.settings)
    _explain_before_image(settings.pop("BeforeImageSettings", None), findings)
    _explain_errors(settings.pop("ErrorBehavior", None) or {}, findings)
    for name, value in settings.items():
        group = value if isinstance(value, Mapping) else {name: value}
        said = {member: found for member, found in group.items() if found not in (None, "", False, [], {})}
        if not said:
            continue
        findings.explain({name: ", ".join(said)}, _BECAME, _LACKING)


def sink_options(task: Task | None) -> dict[str, str]:
    """The options of the sink's URL that the task's settings become. Object mappings count over its partition_key, each for its tables."""
    found = _before_image(task.settings.get("BeforeImageSettings")) if task else {}
    threads = (task.settings.get("TargetMetadata") or {}).get(_THREADS) if task else None
    if not threads:
        found["partition_key"] = "table"
    errors = (task.settings.get("ErrorBehavior") or {}) if task else {}
    if any(errors.get(name) in _STOPS for name in _REFUSALS):
        found["on_poison"] = "halt-lane"
    if errors.get(_TRUNCATION) in _STOPS:
        found["oversize"] = "stop"
    return found


def _explain_type(task: Task, findings: Findings) -> None:
    match task.migration_type:
        case "cdc":
            findings.is_now("MigrationType", "cdc", "changes from the moment on in which `forwarder migrate` has run")
        case "full-load":
            findings.is_now(
                "MigrationType",
                "full-load",
                'load = "initial" in each [[table]]; run `forwarder listen --load-only`, which ends when all is loaded',
            )
        case "full-load-and-cdc":
            findings.is_now(
                "MigrationType",
                "full-load-and-cdc",
                'load = "initial" in each [[table]]: rows are sent once, while changes flow, so take it out if DMS has loaded them',
            )
        case other:
            findings.is_lacking(
                "MigrationType",
                other or "not given",
                "changes are sent from the moment on in which `forwarder migrate` has run",
            )
    for name in ("CdcStartPosition", "CdcStopPosition"):
        if value := task.members.get(name):
            findings.is_lacking(
                name, value, "forwarder reads no log and begins now; a sink is set back by `forwarder replay`"
            )
    if value := task.members.get("ComputeConfig"):
        findings.is_lacking(
            "ComputeConfig",
            ", ".join(value) if isinstance(value, Mapping) else value,
            "forwarder is one process; see docs/ecs.md for its size",
        )


def _explain_before_image(settings: Any, findings: Findings) -> None:
    if options := _before_image(settings):
        findings.is_now(
            "BeforeImageSettings", ", ".join(options.values()), f"{', '.join(options)} in the url of the sink"
        )
    else:
        findings.is_now(
            "BeforeImageSettings",
            "off",
            'no old rows in records; before = "none" in a [[table]] does not even capture them',
        )


def _before_image(settings: Any) -> dict[str, str]:
    """The options of the sink's URL by which records have the old row; none if they do not."""
    if not isinstance(settings, Mapping) or not is_true(settings.get("EnableBeforeImage")):
        return {}
    found = {"EnableBeforeImage": "true"}
    if name := settings.get("FieldName"):
        found["FieldName"] = str(name)
    if columns := settings.get("ColumnFilter"):
        found["ColumnFilter"] = word(columns)
    return found


def _explain_errors(settings: Mapping[str, Any], findings: Findings) -> None:
    """Time-outs and refusals have no policy here: what may pass is tried for ever, what is refused is set aside."""
    others: list[str] = []
    for name, value in settings.items():
        stops = value in _STOPS
        if name in _REFUSALS:
            findings.is_now(
                f"ErrorBehavior.{name}",
                value,
                "on_poison=halt-lane: the lane of the record waits" if stops else _FAILED,
            )
        elif name == _TRUNCATION:
            findings.is_now(
                f"ErrorBehavior.{name}",
                value,
                "oversize=stop" if stops else "what is too large for the stream is set aside whole",
            )
        elif value is not None:
            others.append(name)
    if others:
        findings.is_now(
            "ErrorBehavior",
            f"{len(others)} more",
            "nothing to set: what may pass is tried again for as long as it takes",
        )
