"""``forwarder check``: looks at the set-up from end to end, and says what is not well and what to do about it."""

import sys
from functools import partial
from typing import Annotated, Any

import anyio
import msgspec
import typer

from forwarder.capture.table_rules import rules_of
from forwarder.cli.check_lines import plain_lines, summary, table
from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.config.table_mappings.file import load_mappings
from forwarder.doctor.examination import examine
from forwarder.doctor.finding import Verdict
from forwarder.doctor.report import Report
from forwarder.listen.service import Service
from forwarder.metrics import Metrics


def check(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, described in docs/check.md.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Leave out what takes long, and all calls of AWS.")] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Say what is not well with the set-up, and the remedy.

    It looks at the database, the captured tables, the outbox, who delivers, and each sink of the settings. It changes nothing, stores no
    record, and takes no lock that anybody waits for. The worst comes last. The exit status is 1 if there is a failure; warnings and
    notes leave it 0.

    \b
    Example:
      forwarder check
      forwarder check --json --fast
    """
    loaded = settings(config, log_format)
    url = database_url(loaded)
    # What `listen` would refuse of the settings is refused here in the same words.
    Service(loaded, loaded.sink, database_url=url, metrics=Metrics())
    rules = rules_of(loaded.table, load_mappings(loaded.table_mappings))
    report = anyio.run(
        partial(examine, loaded, url=url, rules=rules, is_fast=fast), backend_options={"use_uvloop": True}
    )
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(_members(report)), indent=2).decode())
    else:
        _show(report)
    if report.worst is Verdict.FAILURE:
        raise typer.Exit(1)


def _show(report: Report) -> None:
    if sys.stdout.isatty():
        from rich.console import Console

        Console(highlight=False).print(table(report))
    else:
        for line in plain_lines(report):
            typer.echo(line)
    typer.echo(summary(report))


def _members(report: Report) -> dict[str, Any]:
    """What is told of it in JSON; docs/check.md describes it."""
    return {
        "verdict": report.worst,
        "counts": report.counts,
        "findings": [
            {"area": section.area, **msgspec.structs.asdict(finding)}
            for section in report.sections
            for finding in section.findings
        ],
    }
