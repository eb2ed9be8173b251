"""The layout of ``MessageFormat=json``."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from forwarder.records.formats.dms.layout import indented


def test_members_stand_on_lines_of_their_own_behind_tabs() -> None:
    assert indented('{"a":{"b":1,"c":["x","y"]},"d":{},"e":"{,}:"}') == (
        '{\n\t"a":\t{\n\t\t"b":\t1,\n\t\t"c":\t["x", "y"]\n\t},\n\t"d":\t{\n\t},\n\t"e":\t"{,}:"\n}'
    )


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.booleans())))
def test_it_means_the_same(record: dict[str, dict[str, str | int | None]]) -> None:
    assert json.loads(indented(json.dumps(record, separators=(",", ":"), ensure_ascii=False))) == record


@given(st.lists(st.text()))
def test_names_of_columns_in_a_list_are_kept(names: list[str]) -> None:
    assert json.loads(indented(json.dumps({"k": names}, separators=(",", ":")))) == {"k": names}
