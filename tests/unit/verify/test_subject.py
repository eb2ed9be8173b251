"""Which columns of a table are sent as they are."""

from __future__ import annotations

import pytest

from forwarder.config.table_options import ColumnRules
from forwarder.verify.subject import sent_columns

COLUMNS = {1: "id", 2: "email", 3: "note", 5: "ssn"}


@pytest.mark.parametrize(
    ("rules", "sent", "treated"),
    [
        (ColumnRules(), ("id", "email", "note", "ssn"), set()),
        (ColumnRules(exclude=["ssn", "id"]), ("id", "email", "note"), set()),
        (ColumnRules(include=["note"]), ("id", "note"), set()),
        (ColumnRules(include=["note"], hash=["email"]), ("id", "email", "note"), {"email"}),
        (ColumnRules(mask={"ssn": "x"}, truncate={"note": 3}), ("id", "email", "note", "ssn"), {"ssn", "note"}),
        # It was called so when the rule was made.
        (ColumnRules(mask={"mail": "x"}, exclude=["secret"]), ("id", "email", "note"), {"email"}),
    ],
)
def test_rules_say_what_is_sent(rules: ColumnRules, sent: tuple[str, ...], treated: set[str]) -> None:
    names = {2: ("email", "mail"), 5: ("ssn", "secret")}
    assert sent_columns(COLUMNS, rules, {"id"}, names) == (sent, frozenset(treated))
