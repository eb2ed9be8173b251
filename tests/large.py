"""Data of large records that is in memory after all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio.lowlevel


@dataclass(frozen=True, slots=True)
class Whole:
    """A body in one part."""

    is_too_large = False

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    async def parts(self) -> AsyncIterator[bytes]:
        await anyio.lowlevel.checkpoint()
        yield self.data
