from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.errors import Misconfigured
from forwarder.local.kinesis.faults import (
    NOTHING,
    AnyFault,
    CommitLate,
    Decision,
    Delay,
    Drop,
    Error,
    FailRecords,
    Hang,
    LoseResponse,
    Refuse,
    Script,
    load,
)


def decide(
    script: Script, operation: str = "PutRecords", *, stream: str = "orders", keys: Sequence[str] = ()
) -> Decision:
    return script.decide(operation, stream=stream, partition_keys=keys)


def struck_at(fault: AnyFault, *, requests: int) -> list[int]:
    """The requests, counted from 1, that the fault ended."""
    script = Script([fault])
    return [number for number in range(1, requests + 1) if decide(script).ending is fault]


def test_an_empty_script_decides_nothing() -> None:
    assert decide(Script()) is NOTHING


def test_a_fault_strikes_only_the_operation_that_it_names() -> None:
    script = Script([Drop(operation="PutRecords")])
    assert decide(script, "GetRecords").ending is None
    assert decide(script, "PutRecords").ending == Drop(operation="PutRecords")


def test_a_fault_strikes_only_the_stream_that_it_names() -> None:
    script = Script([Drop(stream="orders")])
    assert decide(script, stream="payments").ending is None
    assert decide(script, stream="orders").ending is not None


def test_a_fault_of_a_request_strikes_when_any_of_its_records_has_the_key() -> None:
    script = Script([Drop(partition_keys=frozenset({"b"}))])
    assert decide(script, keys=["a", "c"]).ending is None
    assert decide(script, keys=["a", "b"]).ending is not None


def test_after_lets_the_first_ones_pass() -> None:
    assert struck_at(Drop(after=2), requests=5) == [3, 4, 5]


def test_every_strikes_each_nth() -> None:
    assert struck_at(Drop(every=3), requests=9) == [3, 6, 9]


def test_times_bounds_how_often_a_fault_strikes() -> None:
    assert struck_at(Drop(after=1, times=2), requests=9) == [2, 3]


def test_the_same_seed_strikes_the_same_requests() -> None:
    fault = Drop(probability=0.5, seed=11)
    assert struck_at(fault, requests=50) == struck_at(fault, requests=50)


@settings(max_examples=20)
@given(probability=st.floats(0.05, 1.0), seed=st.integers())
def test_a_probability_strikes_about_as_often_as_it_says(probability: float, seed: int) -> None:
    assert abs(len(struck_at(Drop(probability=probability, seed=seed), requests=2000)) / 2000 - probability) < 0.08


def test_records_fail_by_key_and_the_others_do_not() -> None:
    fault = FailRecords(partition_keys=frozenset({"b"}))
    assert decide(Script([fault]), keys=["a", "b", "c", "b"]).failed_records == {1: fault, 3: fault}


def test_failing_records_are_counted_by_the_record_across_requests() -> None:
    script = Script([FailRecords(every=3)])
    assert list(decide(script, keys=["a", "b"]).failed_records) == []
    assert list(decide(script, keys=["a", "b"]).failed_records) == [0]


def test_delays_add_up_and_the_first_ending_wins() -> None:
    drop, hang = Drop(), Hang()
    script = Script([Delay(seconds=1), drop, Delay(seconds=2), hang])
    assert decide(script) == Decision(delay_seconds=3, ending=drop)
    assert script.struck(hang) == 0


def test_a_new_script_starts_counting_anew() -> None:
    fault = Drop(times=1)
    script = Script([fault])
    decide(script)
    script.replace([fault])
    assert script.struck(fault) == 0
    assert decide(script).ending is fault


@pytest.mark.parametrize(
    ("code", "status"), [("InternalFailure", 500), ("ServiceUnavailable", 503), ("AccessDenied", 400)]
)
def test_an_error_has_the_status_of_its_code(code: str, status: int) -> None:
    assert Error(error_code=code).http_status == status


def test_a_script_is_the_same_in_toml_and_json(tmp_path: Path) -> None:
    toml, json = tmp_path / "faults.toml", tmp_path / "faults.json"
    toml.write_text('[[faults]]\nfault = "commit-late"\nseconds = 0.2\n[[faults]]\nfault = "fail-records"\nevery = 5\n')
    json.write_text('{"faults": [{"fault": "commit-late", "seconds": 0.2}, {"fault": "fail-records", "every": 5}]}')
    assert load(toml) == load(json) == (CommitLate(seconds=0.2), FailRecords(every=5))


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ('{"faults": [{"fault": "explode"}]}', "explode"),
        ('{"faults": [{"fault": "drop", "operation": "PutRecord s"}]}', "operation"),
        ('{"faults": [{"fault": "drop", "probabilty": 0.1}]}', "probabilty"),
        ('{"faults": [{"fault": "refuse"}]}', "seconds"),
        ('{"faults": [{"fault": "drop", "probability": 2}]}', "probability"),
        ("faults", "malformed"),
    ],
)
def test_a_mistake_in_a_script_is_named_in_one_line(tmp_path: Path, document: str, names: str) -> None:
    path = tmp_path / "faults.json"
    path.write_text(document)
    with pytest.raises(Misconfigured, match=names) as raised:
        load(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file"):
        load(tmp_path / "nowhere.toml")


def test_every_kind_can_be_written_in_a_script(tmp_path: Path) -> None:
    kinds = ["fail-records", "hang", "error", "drop", "lose-response"]
    timed = ["delay", "commit-late", "refuse"]
    path = tmp_path / "faults.toml"
    path.write_text(
        "".join(f'[[faults]]\nfault = "{kind}"\n' for kind in kinds)
        + "".join(f'[[faults]]\nfault = "{kind}"\nseconds = 1\n' for kind in timed)
    )
    assert [type(fault) for fault in load(path)] == [
        FailRecords,
        Hang,
        Error,
        Drop,
        LoseResponse,
        Delay,
        CommitLate,
        Refuse,
    ]
