from forwarder.outbox.backlog_warnings import Backlog, is_to_pause, warnings

GIB = 1 << 30


def warned(*backlogs: Backlog, outbox_bytes: int = GIB, is_paused: bool = False) -> tuple[str, ...]:
    return warnings(backlogs, outbox_bytes=outbox_bytes, warn_bytes=2 * GIB, warn_age_seconds=300, is_paused=is_paused)


def test_within_the_limits_nothing_is_said() -> None:
    assert warned(Backlog(sink="a", waiting_seconds=None), Backlog(sink="b", waiting_seconds=300)) == ()


def test_each_sink_that_is_late_is_named_with_its_age() -> None:
    first, second = warned(*(Backlog(sink=name, waiting_seconds=301.2) for name in "ab"))

    assert "sink 'a' has not delivered a change for 301 seconds" in first
    assert "sink 'b'" in second


def test_a_large_outbox_is_measured_and_the_remedy_depends_on_the_sinks() -> None:
    (alone,) = warned(outbox_bytes=3 * GIB)
    _, with_late = warned(Backlog(sink="a", waiting_seconds=1000), outbox_bytes=3 * GIB)

    assert "3.00 GiB, more than warn_bytes (2.00 GiB)" in alone
    assert "lower retention_seconds" in alone
    assert "late sinks hold it" in with_late


def test_a_pause_is_warned_of_first() -> None:
    assert "capture is paused" in warned(Backlog(sink="a", waiting_seconds=1000), is_paused=True)[0]


def test_capture_is_paused_above_the_limit_and_resumed_well_below() -> None:
    assert not is_to_pause(outbox_bytes=10 * GIB, max_bytes=10 * GIB, is_paused=False)
    assert is_to_pause(outbox_bytes=10 * GIB + 1, max_bytes=10 * GIB, is_paused=False)
    assert is_to_pause(outbox_bytes=9 * GIB, max_bytes=10 * GIB, is_paused=True)
    assert not is_to_pause(outbox_bytes=8 * GIB, max_bytes=10 * GIB, is_paused=True)


def test_without_a_limit_capture_goes_on_and_a_pause_ends() -> None:
    assert not is_to_pause(outbox_bytes=1000 * GIB, max_bytes=None, is_paused=False)
    assert not is_to_pause(outbox_bytes=1000 * GIB, max_bytes=None, is_paused=True)
