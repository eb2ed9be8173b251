from __future__ import annotations

import pytest

from forwarder.records.formats.encoder import Provenance
from forwarder.records.formats.native import encoder
from forwarder.records.origins import Origin, Origins
from tests.unit.records.test_packing import change

COPIED_TWICE = Origins([Origin(5000, "third"), Origin(4100, "second"), Origin(0, "first")])
WITHOUT_ITS_SEQUENCE = Origins([Origin(0, "third"), Origin(4100, "second"), Origin(0, "first")])


@pytest.mark.parametrize(
    ("seq", "name"),
    [(1, "first"), (4100, "first"), (4101, "second"), (5000, "second"), (5001, "third"), (1 << 62, "third")],
)
def test_a_change_is_named_by_the_newest_origin_that_begins_before_it(seq: int, name: str) -> None:
    assert COPIED_TWICE.name_of(seq) == name


@pytest.mark.parametrize("seq", [1, 4101, 1 << 62])
def test_where_seqs_began_anew_the_newest_origin_names_all(seq: int) -> None:
    assert WITHOUT_ITS_SEQUENCE.name_of(seq) == "third"


@pytest.mark.parametrize("seqs", [range(4090, 4110), range(5010, 4990, -1), [4101, 1, 5001, 4100]])
def test_records_of_one_request_are_named_one_by_one(seqs: list[int]) -> None:
    encoded = encoder(Provenance(origins=COPIED_TWICE, database="shop"))([change(seq) for seq in seqs])

    assert [record.split(b'"')[3].decode() for record in encoded] == [
        f"{COPIED_TWICE.name_of(seq)}/{seq:016x}" for seq in seqs
    ]
