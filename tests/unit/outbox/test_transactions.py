from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from forwarder.outbox.transactions import Count, Transactions


@given(txids=st.lists(st.integers(1, 5), max_size=40), page_size=st.integers(1, 7))
def test_changes_are_numbered_within_their_transaction_across_pages(txids: list[int], page_size: int) -> None:
    totals = Counter(txids)
    transactions = Transactions()
    numbered: dict[int, list[tuple[int, int | None]]] = {}
    for start in range(0, len(txids), page_size):
        page = txids[start : start + page_size]
        for txid in transactions.unknown(page):
            if totals[txid] > 1:
                transactions.learn(Count(txid, totals[txid]))
        for seq, txid in enumerate(page, start=start + 1):
            numbered.setdefault(txid, []).append(transactions.number(txid, seq))

    assert numbered == {txid: [(place, total) for place in range(1, total + 1)] for txid, total in totals.items()}
    assert sorted(transactions.unknown(totals)) == sorted(totals), "none is remembered after its last change"


def test_numbering_goes_on_after_what_was_delivered_before_a_restart() -> None:
    transactions = Transactions()
    transactions.learn(Count(7, 5, earlier=3))

    assert [transactions.number(7, 40), transactions.number(7, 50)] == [(4, 5), (5, 5)]


def test_a_transaction_is_asked_for_once() -> None:
    transactions = Transactions()

    assert sorted(transactions.unknown([7, 8, 7])) == [7, 8]
    transactions.learn(Count(7, 2))
    assert transactions.unknown([7, 8, 7]) == [8]


def test_a_transaction_is_forgotten_with_its_last_change() -> None:
    transactions = Transactions()
    transactions.learn(Count(7, 2))
    assert [transactions.number(7, 10), transactions.number(7, 20)] == [(1, 2), (2, 2)]

    assert transactions.unknown([7]) == [7]


def test_a_transaction_that_was_not_counted_has_one_change() -> None:
    assert Transactions().number(7, 1) == (1, 1)


def test_a_transaction_that_was_not_counted_to_its_end_says_with_its_last_change_how_many_there_are() -> None:
    transactions = Transactions()
    transactions.learn(Count(7, None, earlier=1, last_seq=40))

    assert [transactions.number(7, seq) for seq in (20, 30, 40)] == [(2, None), (3, None), (4, 4)]
    assert transactions.unknown([7]) == [7]


def test_a_copy_goes_on_by_itself() -> None:
    transactions = Transactions()
    transactions.learn(Count(7, 2))
    transactions.copy().number(7, 10)

    assert transactions.number(7, 10) == (1, 2)


def test_of_a_transaction_that_may_have_lost_changes_nobody_knows_a_place() -> None:
    transactions = Transactions()
    transactions.learn(Count(7, 3))
    transactions.learn(Count(9, 2))

    transactions.doubt(8)

    assert transactions
    assert transactions.unknown([7, 8, 9, 10]) == [10]
    assert transactions.number(7, 1) == (0, None)
    # The same goes for one that would have had one change.
    assert transactions.number(8, 2) == (0, None)
    assert [transactions.number(9, seq) for seq in (3, 4)] == [(1, 2), (2, 2)]
    assert transactions.copy().number(7, 5) == (0, None)
