"""`forwarder migrate` inside the test's own session, and what the triggers then captured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from forwarder.capture import migrations, plan
from forwarder.capture.apply import Installation
from forwarder.capture.rights import Rights
from forwarder.capture.rights_due import Roles
from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.table_decisions import decide
from forwarder.capture.trigger_plan import Change, Keep
from forwarder.config.database import CAPTURE_ROLE
from forwarder.config.table_options import BeforeImage
from forwarder.errors import Misconfigured

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@dataclass(slots=True)
class Outcome:
    """What was done, and what could not be."""

    done: list[Change] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    def __call__(self, change: Change, *, problem: str | None = None) -> None:
        if problem is None:
            self.done.append(change)
        else:
            self.problems[change.table] = problem

    @property
    def tables(self) -> list[str]:
        """The tables that something was done to, in that order."""
        return [change.table for change in self.done if not isinstance(change, Rights)]


async def migrate(
    connection: Connection,
    *patterns: str,
    exclude: Sequence[str] = (),
    remove: bool = False,
    before: BeforeImage = "full",
    options: Mapping[str, Any] | None = None,
    patience_seconds: float = 10.0,
    capture_role: str = CAPTURE_ROLE,
    runtime_role: str | None = None,
) -> Outcome:
    """Apply the migrations and capture what the patterns and the registry name, or with ``remove`` the patterns alone.

    ``options``: those of [[table]], for all tables that the patterns name.
    """
    await migrations.apply(connection)
    found = await plan.from_selection(
        connection,
        _rules(patterns, before=before, options=options),
        exclude=[Pattern(pattern) for pattern in exclude],
        remove=remove,
        roles=Roles(capture=capture_role, runtime=runtime_role),
    )
    return await _carried_out(
        connection, [*found.mending, *found.changes], found.unfit, patience_seconds=patience_seconds
    )


async def migrate_tables(
    connection: Connection,
    *patterns: str,
    exclude: Sequence[str] = (),
    remove: bool = False,
    before: BeforeImage = "full",
    options: Mapping[str, Any] | None = None,
    patience_seconds: float = 10.0,
) -> Outcome:
    """The same to the tables alone, for a database that is migrated already: half of the work is to see that rights and functions are in order."""
    rules = _rules(patterns, before=before, options=options)
    found = await decide(
        connection,
        rules,
        exclude=[Pattern(pattern) for pattern in exclude],
        described=rules,
        remove=remove,
        may_come_later=False,
    )
    changes = [decision for decision in found.decisions if not isinstance(decision, Keep)]
    return await _carried_out(connection, changes, found.unfit, patience_seconds=patience_seconds)


def _rules(patterns: Sequence[str], *, before: BeforeImage, options: Mapping[str, Any] | None) -> list[Rule]:
    return [Rule(match=Pattern(pattern), options={"before": before, **(options or {})}) for pattern in patterns]


async def _carried_out(
    connection: Connection, changes: Sequence[Change], unfit: Mapping[str, str], *, patience_seconds: float
) -> Outcome:
    outcome = Outcome()
    await Installation(connection, outcome, patience_seconds=patience_seconds).carry_out(changes)
    require_fit(unfit)
    return outcome


def require_fit(unfit: Mapping[str, str]) -> None:
    """End as `forwarder migrate` does, when all else is done, if the rules do not fit a selected table.

    Raises:
        Misconfigured: they do not.
    """
    for table, problem in unfit.items():
        raise Misconfigured(f"{table}: {problem}")


class Captured(NamedTuple):
    """A row of the outbox, its images read as JSON, with every number exact."""

    op: str
    table: str
    before: Any
    after: Any
    fault: str | None


async def captured(connection: Connection) -> list[Captured]:
    """Everything in the outbox, in order of seq; ``table`` is the one that was written, as SQL writes its name."""
    rows = await connection.fetch(
        "SELECT op::text, relation::regclass::text AS table, before, after, fault FROM forwarder.outbox ORDER BY seq"
    )
    return [
        Captured(row["op"], row["table"], _image(row["before"]), _image(row["after"]), row["fault"]) for row in rows
    ]


def _image(text: str | None) -> Any:
    return None if text is None else json.loads(text, parse_float=Decimal)
