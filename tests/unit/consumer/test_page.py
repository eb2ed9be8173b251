"""The examples of docs/consumer.md do what the page says."""

from __future__ import annotations

import doctest
import re

from tests.packaging import ROOT

PAGE = ROOT / "docs" / "consumer.md"


def test_the_examples_of_the_page_are_true() -> None:
    blocks = re.findall(r"^```pycon\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    said: list[str] = []
    results = doctest.DocTestRunner().run(example, out=said.append)
    assert results.attempted >= 15
    assert results.failed == 0, "".join(said)
