"""Statements that find out for themselves which rights are due, and see to it: for what cannot be seen before it is made."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.capture.rights import Part
from forwarder.database.queries import query
from forwarder.database.quoting import literal


def search(*parts: Part, capture: str | None = None, runtime: str | None = None, tables: Sequence[int] = ()) -> str:
    """One statement that does what sql/queries/capture/rights_due.sql finds for these parts; the others are that query's parameters."""
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
    """What ends a transaction that has made something in schema ``forwarder``, so that there is no moment in which others may do with it
    what this database grants by default. Whoever attaches partitions to a captured table keeps what that takes."""
    return search("partitions", "close")
