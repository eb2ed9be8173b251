"""Statements that find out when they are run which rights have to change, and change them: for objects that are not created yet."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.capture.rights import Part
from forwarder.database.queries import query
from forwarder.database.quoting import literal


def search(*parts: Part, capture: str | None = None, runtime: str | None = None, tables: Sequence[int] = ()) -> str:
    """One statement that runs what sql/queries/capture/rights_due.sql finds for these parts. The others are the parameters of that query."""
    parameters = {
        "$1": "NULL" if capture is None else literal(capture),
        "$2": "NULL" if runtime is None else literal(runtime),
        "$3": literal("{" + ",".join(map(str, tables)) + "}"),
    }
    text = "\n".join(line for line in query("rights_due").splitlines() if not line.lstrip().startswith("--"))
    for place, value in parameters.items():
        text = text.replace(place, value)
    chosen = ", ".join(map(literal, parts))
    return (
        "DO $rights$\nDECLARE\n    step record;\nBEGIN\n    FOR step IN\n"
        f"{text}\n"
        f"    LOOP\n        IF step.part IN ({chosen}) AND step.statement IS NOT NULL THEN\n"
        "            EXECUTE step.statement;\n        END IF;\n    END LOOP;\nEND\n$rights$;"
    )


def closing() -> str:
    """The end of a transaction that has created something in schema ``forwarder``.

    It revokes what PUBLIC may do and what default privileges grant, before anybody else can see the new objects. Roles that attach partitions
    to captured tables keep the right that this needs.
    """
    return search("partitions", "close")
