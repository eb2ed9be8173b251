from __future__ import annotations

import re

from forwarder.database.queries import SQL, query


def listed(part: str) -> set[str]:
    """The functions that sql/queries/capture/rights_due.sql grants for a part."""
    return set(re.findall(rf"\('{part}', 'FUNCTION', '(\w+)'", query("rights_due")))


def test_a_role_that_runs_the_listener_is_granted_every_function_that_a_query_calls() -> None:
    # What rights_due.sql names is called by `migrate`.
    queries = [path for path in (SQL / "queries").glob("*/*.sql") if path.name != "rights_due.sql"]
    text = "\n".join(path.read_text() for path in queries)
    code = re.sub("--.*", "", text)
    assert set(re.findall(r"forwarder\.(\w+)\(", code)) <= listed("runtime")
