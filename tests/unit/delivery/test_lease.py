from __future__ import annotations

import pytest

from forwarder.database.sessions import ANSWER_SECONDS
from forwarder.delivery.lease import LEASE_SECONDS, Lease
from forwarder.errors import Unavailable
from forwarder.listen.checkpoints import HEARTBEAT_SECONDS
from forwarder.store.leadership import SILENCE_SECONDS


def test_a_lease_counts_from_when_the_proof_was_asked_for() -> None:
    lease = Lease(asked_at=100.0)

    lease.check(now=100.0 + LEASE_SECONDS - 0.1)
    with pytest.raises(Unavailable, match=r"could not be proved for 15 s"):
        lease.check(now=100.0 + LEASE_SECONDS)


def test_a_proof_renews_the_lease() -> None:
    lease = Lease(asked_at=100.0)

    lease.renew(asked_at=110.0)

    lease.check(now=110.0 + LEASE_SECONDS - 0.1)


def test_an_older_proof_does_not_shorten_it() -> None:
    lease = Lease(asked_at=100.0)

    lease.renew(asked_at=90.0)

    lease.check(now=100.0 + LEASE_SECONDS - 0.1)


def test_one_slow_proof_does_not_end_the_lease_and_the_server_is_more_patient_than_it() -> None:
    assert HEARTBEAT_SECONDS + ANSWER_SECONDS < LEASE_SECONDS < SILENCE_SECONDS - 3
