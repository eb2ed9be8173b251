"""docs/cost.md says what bench/cost.py reckons, and that is what anybody would reckon by hand."""

from __future__ import annotations

import re

import pytest

from bench import cost, prices
from tools import cost_page


def test_the_page_is_what_make_docs_writes() -> None:
    assert cost_page.page() == cost_page.PAGE.read_text(), "run `make docs`"


def test_every_price_has_its_date_and_its_source() -> None:
    for price in prices.PRICES:
        assert re.fullmatch(r"20\d\d(-\d\d)?", price.date), price
        assert price.source.startswith("https://") or price.source.endswith(": check"), price
        assert price.dollars > 0
    named = {value for value in vars(prices).values() if isinstance(value, prices.Price)}
    assert named == set(prices.PRICES)


def test_a_month_of_two_small_tasks() -> None:
    # Two of a quarter of a vCPU and half a GB, at every rate.
    for rate in cost.RATES:
        assert cost.carriers(rate)[cost.OURS] == pytest.approx(2 * 730 * (0.25 * 0.03238 + 0.5 * 0.00356))


def test_a_month_of_a_provisioned_stream() -> None:
    # 5,000 records of 1,200 bytes are 5.7 MB a second: 12 shards that are half full. 13,140 million units in 730 hours.
    assert cost.shards(5_000, 1_200) == 12
    assert cost.provisioned(5_000, 1_200) == pytest.approx(12 * 730 * 0.015 + 13_140 * 0.014)
    # A record may be 25 KB for one unit, and no byte more.
    assert cost.provisioned(1, 25 * 1024) == pytest.approx(730 * 0.015 + 2.628 * 0.014)
    assert cost.provisioned(1, 25 * 1024 + 1) == pytest.approx(730 * 0.015 + 2 * 2.628 * 0.014)


def test_aggregation_saves_units_and_no_shards_that_bytes_have_filled() -> None:
    record = cost.record_bytes(500)
    most = cost.changes_a_unit(record)
    saved = cost.provisioned(5_000, record) - cost.provisioned(5_000, record, changes_a_record=most)
    assert saved == pytest.approx(13_140 * (1 - 1 / most) * 0.014)
    assert cost.shards(5_000, 100) == 10
    assert cost.shards(5_000, 100, changes_a_record=100) == 1


def test_on_demand_counts_whole_kilobytes_of_each_record() -> None:
    written = 2 * 1024 * 50 * 730 * 3600 / 2**30
    read = 1_200 * 50 * 730 * 3600 / 2**30
    assert cost.on_demand(50, 1_200) == pytest.approx(730 * 0.04 + written * 0.08 + read * 0.04)


def test_json_sends_a_third_more_data_than_cbor_and_the_same_units() -> None:
    more = cost.network_bytes(500, 3_000, "JSON") - cost.network_bytes(500, 3_000, "CBOR")
    assert more == pytest.approx(500 * 1_000 * 730 * 3600)


def test_the_trigger_s_share_of_a_core() -> None:
    assert cost.trigger_share(5_000) == pytest.approx(0.075)
