"""docs/status.md says what the document is today."""

from __future__ import annotations

from tools import status_page


def test_the_page_is_what_make_docs_writes() -> None:
    assert status_page.page() == status_page.PAGE.read_text(), "run `make docs`"


def test_the_page_names_every_member_of_a_sink() -> None:
    page = status_page.PAGE.read_text()

    assert not [
        name for name in ("lag_events", "seconds_left", "hot_lanes", "is_urgent") if f"| `{name}` |" not in page
    ]
