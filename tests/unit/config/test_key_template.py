from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.config.key_template import Piece, Placeholder, parse
from forwarder.errors import Misconfigured


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("{table}", (Placeholder("table"),)),
        (
            "{schema}.{table}:{after.region}",
            (Placeholder("schema"), ".", Placeholder("table"), ":", Placeholder("after", "region")),
        ),
        ("{key}{key.id}{before.a}", (Placeholder("key"), Placeholder("key", "id"), Placeholder("before", "a"))),
        (
            "{op}/{txid}/{context.tenant}",
            (Placeholder("op"), "/", Placeholder("txid"), "/", Placeholder("context", "tenant")),
        ),
        ("{{{table}}}", ("{", Placeholder("table"), "}")),
        ("{after.Odd name}", (Placeholder("after", "Odd name"),)),
        ("{after.a.b}", (Placeholder("after", "a.b"),)),
    ],
)
def test_a_template_is_text_and_placeholders(text: str, pieces: tuple[Piece, ...]) -> None:
    assert parse(text) == pieces


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("{tabel}", "{tabel} is unknown; did you mean 'table'?"),
        ("{after}", "did you mean 'after.NAME'?"),
        ("{after.}", "did you mean 'after.NAME'?"),
        ("{new.region}", "known: key.NAME, before.NAME, after.NAME, context.NAME"),
        ("{}", "is unknown; known: schema, table"),
        ("{table", "write {{ or }} for a brace in the key"),
        ("{table}}", "write {{ or }} for a brace in the key"),
        ("all", "write partition_key=constant:VALUE"),
        ("{{table}}", "write partition_key=constant:VALUE"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(text: str, remedy: str) -> None:
    with pytest.raises(Misconfigured) as error:
        parse(text)

    assert remedy in str(error.value)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_can_stand_around_a_placeholder(before: str, behind: str) -> None:
    escaped = [text.replace("{", "{{").replace("}", "}}") for text in (before, behind)]

    pieces = parse("{table}".join(escaped))

    assert "".join(piece if isinstance(piece, str) else "{table}" for piece in pieces) == f"{before}{{table}}{behind}"
