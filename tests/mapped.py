"""Table mappings of DMS for tests, and what they make of a database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from forwarder.capture import plan
from forwarder.capture.apply import Installation
from forwarder.capture.plan import Difference
from forwarder.capture.table_rules import rules_of
from forwarder.config.settings import TableRule
from forwarder.config.table_mappings.table_mappings import TableMappings, read
from tests.migrating import Outcome, require_fit

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

SOURCE = "mappings.json"

# The mapping file of the article, as it stands there.
ARTICLE = """\
{"rules": [{"rule-type": "selection", "rule-id": "1", "rule-name": "CaptureTableASource", "rule-action": "include",
            "object-locator": {"schema-name": "public", "table-name": "table_a"}},
           {"rule-type": "object-mapping", "rule-id": "2", "rule-name": "MapDBRecordToKinesisRecord", "rule-action": "map-record-to-record",
            "object-locator": {"schema-name": "public", "table-name": "table_a"}}]}
"""


def located(where: str) -> dict[str, str]:
    """``public.orders.id`` as an object-locator; what is left out of it is not there."""
    return dict(zip(("schema-name", "table-name", "column-name"), where.split("."), strict=False))


def selection(where: str = "public.%", action: str = "include", **members: Any) -> dict[str, Any]:
    """A selection rule."""
    return {"rule-type": "selection", "rule-action": action, "object-locator": located(where), **_hyphened(members)}


def transformation(action: str, where: str, target: str = "column", **members: Any) -> dict[str, Any]:
    """A transformation rule."""
    return {
        "rule-type": "transformation",
        "rule-target": target,
        "rule-action": action,
        "object-locator": located(where),
        **_hyphened(members),
    }


def object_mapping(where: str, action: str = "map-record-to-record", **members: Any) -> dict[str, Any]:
    """An object-mapping rule; ``parameters`` are its mapping-parameters."""
    parameters = _hyphened(members.pop("parameters", {}))
    return {
        "rule-type": "object-mapping",
        "rule-action": action,
        "object-locator": located(where),
        "mapping-parameters": parameters,
        **_hyphened(members),
    }


def filtered(column: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    """A source filter."""
    return {"filter-type": "source", "column-name": column, "filter-conditions": list(conditions)}


def numbered(*rules: dict[str, Any]) -> str:
    """A mapping file of these rules, whose ids are 1, 2, 3, …"""
    return json.dumps({"rules": [{"rule-id": str(number), **rule} for number, rule in enumerate(rules, start=1)]})


def mappings_of(*rules: dict[str, Any]) -> TableMappings:
    """What `forwarder` reads of such a file."""
    return read(numbered(*rules), source=SOURCE)


async def compared(
    connection: Connection, *rules: dict[str, Any], tables: list[TableRule] | None = None, **asked: Any
) -> Difference:
    """What `forwarder migrate` would do by these rules, and by these [[table]].

    Raises:
        Misconfigured: they do not fit a table.
    """
    found = await plan.from_selection(connection, rules_of(tables or [], mappings_of(*rules)), **asked)
    require_fit(found.unfit)
    return found


async def captured_by(
    connection: Connection, *rules: dict[str, Any], tables: list[TableRule] | None = None, **asked: Any
) -> Difference:
    """`forwarder migrate` by these rules."""
    found = await compared(connection, *rules, tables=tables, **asked)
    outcome = Outcome()
    await Installation(connection, outcome, patience_seconds=60).carry_out([*found.mending, *found.changes])
    assert not outcome.problems, outcome.problems
    return found


def _hyphened(members: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "-"): value for name, value in members.items()}
