from __future__ import annotations

import pytest

from forwarder.errors import Deposed, ForwarderError, Misconfigured, Refused, Unavailable
from forwarder.listen.sink_worker import restart_reason


@pytest.mark.parametrize(
    ("error", "has_led", "reason"),
    [
        (Unavailable("the connection was cut"), True, "database"),
        (Deposed("somebody else leads"), True, "leadership"),
        (Refused("no permission any more"), True, "refused"),
        (Misconfigured("no such region"), False, "refused"),
        (Unavailable("nobody answers"), False, "start"),
        (Deposed("another leader was quicker"), False, "start"),
    ],
)
def test_what_ends_a_tenure_is_counted_by_who_has_to_act(error: ForwarderError, has_led: bool, reason: str) -> None:  # noqa: FBT001 - parametrized
    assert restart_reason(error, has_led=has_led) == reason
