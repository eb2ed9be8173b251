"""What is kept in its place among the changes of its table."""

from forwarder.records.stretches import by_table
from tests.support.loads import LOG, ORDERS, beginning, end, row


def test_the_beginning_and_end_of_a_load_are_barriers_where_rows_have_no_keys_and_nowhere_else() -> None:
    of_log, _ = by_table([beginning(of=LOG)], [-1])
    of_orders, _ = by_table([beginning(of=ORDERS)], [-1])
    assert [stretch.is_barrier for stretch in (*of_log, *of_orders)] == [True, False]


def test_rows_that_were_read_are_told_apart_by_their_numbers_although_they_share_a_seq() -> None:
    [rows, mark], undelivered = by_table([row(1, of=LOG), row(2, of=LOG), end(of=LOG)], [-1, -2, -3])
    assert (rows.undelivered, mark.undelivered) == ({-1, -2}, {-3})
    assert list(undelivered) == [{-1, -2}, {-1, -2}, {-3}]
