"""Tests of pure code, whose event loop does not wait either."""

from __future__ import annotations

import pytest

from tests.support.timeless import TimelessLoop


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, type[TimelessLoop]]]:
    return "asyncio", {"loop_factory": TimelessLoop}
