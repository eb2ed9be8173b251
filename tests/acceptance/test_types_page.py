"""docs/types.md says what the formats do today."""

from __future__ import annotations

from tests.databases import Database
from tools import type_table


async def test_the_page_is_what_make_docs_writes(bare_database: Database) -> None:
    assert await type_table.page(bare_database.url) == type_table.PAGE.read_text(), "run `make docs`"
