"""docs/configuration.md says what the settings are today."""

from __future__ import annotations

from forwarder.config.reader import environment_names
from tools import settings_page


def test_the_page_is_what_make_docs_writes() -> None:
    assert settings_page.page() == settings_page.PAGE.read_text(), "run `make docs`"


def test_the_page_names_every_variable() -> None:
    page = settings_page.PAGE.read_text()

    assert not [name for name in environment_names() if f"`{name}`" not in page]
