"""JSON documents with one part exchanged for something else, as somebody may have written them by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def _places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in members:
        yield from _places(value, (*path, name))


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """The document with some part of it replaced, or left out."""
    path = draw(st.sampled_from(list(_places(document))))
    if not path:
        return draw(JSON)
    copied = deepcopy(document)
    holder = copied
    for name in path[:-1]:
        holder = holder[name]
    if draw(st.booleans()):
        del holder[path[-1]]
    else:
        holder[path[-1]] = draw(JSON)
    return copied
