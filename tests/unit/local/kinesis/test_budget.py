from forwarder.local.kinesis.budget import MEBIBYTE, ShardBudget


def test_a_shard_takes_a_thousand_small_records_a_second() -> None:
    budget = ShardBudget(now=0.0)
    assert sum(budget.admits_record(10, now=0.0) for _ in range(1500)) == 1000
    assert sum(budget.admits_record(10, now=0.25) for _ in range(1500)) == 250


def test_a_shard_takes_a_mebibyte_a_second() -> None:
    budget = ShardBudget(now=0.0)
    assert sum(budget.admits_record(MEBIBYTE // 4, now=0.0) for _ in range(8)) == 4


def test_a_record_of_ten_mebibytes_costs_a_shard_its_next_nine_seconds() -> None:
    budget = ShardBudget(now=0.0)
    assert budget.admits_record(10 * MEBIBYTE, now=0.0)
    assert not budget.admits_record(1024, now=8.9)
    assert budget.admits_record(1024, now=9.1)


def test_a_shard_answers_five_reads_a_second() -> None:
    budget = ShardBudget(now=0.0)
    assert sum(budget.admits_read(now=0.0) for _ in range(8)) == 5


def test_a_large_read_costs_a_shard_the_seconds_that_its_bytes_take() -> None:
    budget = ShardBudget(now=0.0)
    assert budget.admits_read(now=0.0)
    budget.spend_read(10 * MEBIBYTE)
    assert not budget.admits_read(now=3.9)
    assert budget.admits_read(now=4.1)
