"""``forwarder.doctor.connection``."""

from __future__ import annotations

import pytest

from forwarder.config.wake import waking
from forwarder.database.encryption import Encryption
from forwarder.doctor.connection import judge_encryption, judge_password, judge_version, judge_waking
from forwarder.doctor.finding import Verdict

OK, NOTE, WARNING, FAILURE = Verdict
DAY = 86_400.0


@pytest.mark.parametrize(
    ("found", "verdict", "remedy"),
    [
        (Encryption(protocol=None, checks_authority=False, checks_name=False, is_local=True), OK, ""),
        (Encryption(protocol=None, checks_authority=False, checks_name=False, is_local=False), WARNING, "verify-full"),
        (
            Encryption(protocol="TLSv1.3", checks_authority=False, checks_name=False, is_local=False),
            WARNING,
            "sslrootcert",
        ),
        (Encryption(protocol="TLSv1.3", checks_authority=True, checks_name=False, is_local=False), NOTE, "verify-full"),
        (Encryption(protocol="TLSv1.3", checks_authority=True, checks_name=True, is_local=False), OK, ""),
    ],
)
def test_a_connection_is_as_good_as_its_encryption_and_who_checks_it(
    found: Encryption, verdict: Verdict, remedy: str
) -> None:
    judged = judge_encryption(found)
    assert judged.verdict is verdict
    assert remedy in (judged.remedy or "")


def test_a_password_that_ends_soon_is_warned_of() -> None:
    assert judge_password("app", None).verdict is OK
    assert judge_password("app", 90 * DAY).verdict is OK
    assert judge_password("app", 3 * DAY).remedy == "ALTER ROLE app VALID UNTIL …"
    assert judge_password("app", -1.0).text == "that of role app has ended"


def test_a_server_that_is_newer_than_the_tests_is_noted() -> None:
    assert judge_version("18.1", 18).verdict is OK
    assert judge_version("19beta1", 19).verdict is NOTE


def test_notifications_where_transactions_can_be_prepared_are_warned_of() -> None:
    quiet = waking("auto", poll_interval_seconds=5.0, max_prepared_transactions=10)
    ringing = waking("doorbell", poll_interval_seconds=5.0, max_prepared_transactions=10)
    assert judge_waking(quiet).verdict is OK
    assert judge_waking(ringing).verdict is WARNING
    assert 'set wake to "auto"' in (judge_waking(ringing).remedy or "")
