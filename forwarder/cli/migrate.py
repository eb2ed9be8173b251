"""``forwarder migrate``: brings the schema and the triggers in line with this version and the selected tables.

The modes share one path: what differs from what is wanted is found (a ``Difference``), and then done, shown, or printed as SQL. What stays
captured although it is not selected is asked about last, when all else is done and no lock is held.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, get_args

import anyio
import typer

from forwarder.capture import plan
from forwarder.capture.plan import Difference
from forwarder.capture.rights_due import Roles
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.table_rules import rules_of
from forwarder.capture.trigger_plan import Remove
from forwarder.cli.migrate_run import Ask, Mode, carry_out
from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.cli.progress import QuietOption
from forwarder.cli.unlistened_mappings import unlistened
from forwarder.config.database import DatabaseSettings
from forwarder.config.table_mappings.file import load_mappings
from forwarder.database.access import DatabaseAddress
from forwarder.database.sessions import Connection
from forwarder.errors import Misconfigured, Refused


def migrate(
    *,
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            metavar="PATTERN",
            help="Capture these tables, besides those that are captured already: orders, sales.*. Repeatable; if not given, the settings"
            " name them.",
            show_default=False,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", metavar="PATTERN", help="Leave these out of the selection. Repeatable.", show_default=False
        ),
    ] = None,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="End the capture of tables that are not selected; else they are only listed."),
    ] = False,
    show_plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Like --plan; the exit status is 1 if there is anything to do.")
    ] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL that would be run, and run nothing.")] = False,
    runtime_role: Annotated[
        str | None,
        typer.Option(
            "--runtime-role",
            metavar="NAME",
            help="Grant this role what `forwarder listen` needs, which is less than this command needs.",
            show_default=False,
        ),
    ] = None,
    down: Annotated[
        bool,
        typer.Option(
            "--down", help="Remove all triggers, and schema forwarder. Refused while changes are not delivered."
        ),
    ] = False,
    discard_undelivered: Annotated[
        bool, typer.Option("--discard-undelivered", help="With --down: give up what is not delivered.")
    ] = False,
    table_mappings: Annotated[
        Path | None,
        typer.Option(
            "--table-mappings",
            metavar="FILE",
            help="Capture as these table mappings of AWS DMS say, in JSON. If not given, table_mappings in the settings names the file.",
            show_default=False,
        ),
    ] = None,
    quiet: QuietOption = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Create or upgrade schema forwarder; capture tables.

    Tables are captured by triggers. It can be run again at any time, on a busy system and by two at once. It changes only what differs,
    and takes the lock of a table for an instant or not at all, so that writers do not queue behind it; it comes back to tables that were
    locked.

    What is captured stays captured, and is mended, whether it is selected or not. That ends by --remove, or if you say yes when
    asked on a terminal.

    Table mappings and [[table]] choose tables together; what a [[table]] says of how a table is captured counts over the mappings.

    A PATTERN is TABLE or SCHEMA.TABLE, where * and ? stand for anything; the schema is public if none is named, and case counts. A name
    that has a dot or a wildcard in it is put in double quotes: '"odd.schema".*'.

    \b
    Example:
      forwarder migrate --table 'public.*' --plan
      forwarder migrate --table 'public.*' --exclude 'public.audit_*'
      forwarder migrate --table-mappings mappings.json --plan
    """
    mode = _mode(plan=show_plan, check=check, sql=sql)
    if down and (table or exclude or remove or runtime_role or table_mappings):
        raise Misconfigured(
            "--down removes everything; leave out --table, --table-mappings, --exclude, --remove and --runtime-role"
        )
    if discard_undelivered and not down:
        raise Misconfigured("--discard-undelivered is only for --down; leave it out")
    loaded = settings(config, log_format)
    url = database_url(loaded)
    if down:
        _perform(url, plan.from_nothing, mode=mode, discard=discard_undelivered, quiet=quiet)
        return
    mappings = load_mappings(table_mappings or loaded.table_mappings)
    if table_mappings and mappings:
        warning = unlistened(mappings, path=table_mappings, in_settings=loaded.table_mappings)
        if warning:
            typer.echo(f"forwarder: warning: {warning}", err=True)
    rules = rules_of(loaded.table, mappings)
    # The command line says which tables, the files say how. A mapping file that is named on it says both.
    named = [Rule(match=Pattern(pattern)) for pattern in table or ()]
    selected = [*named, *(rules[:1] if table_mappings else ())] if named else rules
    _require_selection(selected, exclude=exclude, remove=remove)
    ask = partial(
        plan.from_selection,
        rules=selected,
        described=rules,
        exclude=[Pattern(pattern) for pattern in exclude or ()],
        leaf_events=loaded.outbox.leaf_events,
        max_image_bytes=loaded.capture.max_image_bytes,
        auto_attach=loaded.capture.auto_attach,
        schema_events=loaded.capture.schema_events,
        roles=Roles(capture=loaded.database.capture_role, runtime=runtime_role),
    )
    left = _perform(url, partial(ask, remove=remove), mode=mode, listened=loaded.database, quiet=quiet)
    # Asked when all else is done and no lock is held, since the answer may take long.
    if left and mode == "apply" and _is_answered(f"Capture these {len(left)} no longer?"):
        _perform(url, partial(_removals_alone, ask, left), mode=mode, quiet=quiet)


def _mode(**flags: bool) -> Mode:
    chosen = [mode for mode in get_args(Mode) if flags.get(mode)]
    if len(chosen) > 1:
        raise Misconfigured(f"--{' and --'.join(chosen)} exclude each other; give one of them")
    return chosen[0] if chosen else "apply"


def _require_selection(selected: Sequence[Rule], *, exclude: Sequence[str] | None, remove: bool) -> None:
    if not selected and (remove or exclude):
        ends, leaves = "--remove ends what a selection does not name", "--exclude leaves tables out of a selection"
        raise Misconfigured(f"{ends if remove else leaves}, and there is none; add --table 'public.*'")


def _perform(
    url: DatabaseAddress,
    ask: Ask,
    *,
    mode: Mode,
    discard: bool = False,
    listened: DatabaseSettings | None = None,
    quiet: bool,
) -> tuple[str, ...]:
    run = partial(carry_out, url, ask, mode=mode, discard=discard, listened=listened, quiet=quiet)
    return anyio.run(run, backend_options={"use_uvloop": True})


def _is_answered(question: str) -> bool:
    """Whether somebody at a terminal has said yes. Without a terminal nobody is asked."""
    return sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm(question, err=True)


async def _removals_alone(
    ask: Callable[..., Awaitable[Difference]], agreed: Sequence[str], connection: Connection
) -> Difference:
    """The difference with its removals, if somebody has ``agreed`` to all of them.

    Raises:
        Refused: another table has been captured since the question was asked.
    """
    found = await ask(connection, remove=True)
    removals = {decision.table for decision in found.decisions if isinstance(decision, Remove)}
    if others := sorted(removals.difference(agreed)):
        raise Refused(f"{others[0]} is captured since the question was asked; nothing is removed: run it again")
    return found
