from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forwarder.config.toml_values import inline

PLAIN = st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(PLAIN, lambda values: st.lists(values) | st.dictionaries(st.text(), values))


@given(value=VALUES)
def test_what_is_written_is_read_as_the_same(value: Any) -> None:
    assert tomllib.loads(f"value = {inline(value)}") == {"value": value}
