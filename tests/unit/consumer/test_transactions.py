"""A transaction is given when all of its changes are there, in the order in which it made them."""

from __future__ import annotations

from random import Random

from forwarder.consumer import Change, Incomplete, Transactions


def change(txid: str, index: int | None, count: int | None) -> Change:
    return Change(format="native", op="insert", id=f"1/2/{index or 0:016x}", txid=txid, tx_index=index, tx_count=count)


def test_changes_of_different_shards_are_put_together() -> None:
    transactions = Transactions()
    changes = [change(txid, index, 5) for txid in ("7", "8", "9") for index in range(1, 6)]
    Random(1).shuffle(changes)
    complete = [found for one in changes if (found := transactions.add(one))]
    assert sorted((found[0].txid, [one.tx_index for one in found]) for found in complete) == [
        (txid, [1, 2, 3, 4, 5]) for txid in ("7", "8", "9")
    ]
    assert transactions.incomplete() == []


def test_a_single_change_is_complete_at_once() -> None:
    assert Transactions().add(change("7", 1, 1)) == [change("7", 1, 1)]


def test_a_repeat_does_not_count() -> None:
    transactions = Transactions()
    assert [transactions.add(change("7", 1, 2)) for _ in range(3)] == [None] * 3
    assert transactions.incomplete() == [Incomplete(txid="7", seen=1, count=2)]


def test_of_a_very_large_transaction_the_last_change_has_the_count() -> None:
    transactions = Transactions()
    assert transactions.add(change("7", 1, None)) is None
    assert transactions.incomplete() == [Incomplete(txid="7", seen=1, count=None)]
    assert transactions.add(change("7", 2, 2)) == [change("7", 1, None), change("7", 2, 2)]


def test_a_change_without_its_place_is_not_held() -> None:
    transactions = Transactions()
    assert transactions.add(change("7", None, None)) is None
    assert transactions.add(Change(format="lambda", op="insert")) is None
    assert transactions.incomplete() == []


def test_what_is_held_has_a_bound() -> None:
    transactions = Transactions(remembered=3)
    for txid, index in (("7", 1), ("8", 1), ("7", 2), ("8", 2)):
        transactions.add(change(txid, index, 3))
    assert transactions.incomplete() == [Incomplete(txid="8", seen=2, count=3)]
    assert transactions.given_up == 1
