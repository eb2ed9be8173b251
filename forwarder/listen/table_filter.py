"""Which tables a sink is for, by the patterns of its setting ``tables``. Pure."""

from collections.abc import Callable, Sequence

from forwarder.capture.selection import Pattern
from forwarder.events import CapturedTable

# Tells of a table whether its changes are wanted.
TableFilter = Callable[[CapturedTable], bool]


def table_filter(patterns: Sequence[str]) -> TableFilter | None:
    """A filter by these patterns; None if there are none, since a sink without any is for all tables.

    Raises:
        Misconfigured: a pattern is no name and no glob.
    """
    if not patterns:
        return None
    selected = [Pattern(pattern) for pattern in patterns]
    # Kept, since it is asked for every change.
    answers: dict[CapturedTable, bool] = {}

    def wants(table: CapturedTable) -> bool:
        answer = answers.get(table)
        if answer is None:
            answer = answers[table] = any(pattern.matches(table) for pattern in selected)
        return answer

    return wants
