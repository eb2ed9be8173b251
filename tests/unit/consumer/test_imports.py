"""A Lambda that imports the consumer's helpers pays for them alone."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    *(
        "asyncpg",
        "aiobotocore",
        "aiohttp",
        "anyio",
        "asyncio",
        "botocore",
        "msgspec",
        "pydantic",
        "rich",
        "typer",
        "uvloop",
    ),
    *("compression.zstd", "backports.zstd", "gzip"),
)
PROGRAM = f"""
import sys
import forwarder.consumer
print(*[name for name in {HEAVY!r} if name in sys.modules])
"""


def test_importing_them_loads_neither_a_driver_nor_an_sdk_nor_an_event_loop() -> None:
    finished = subprocess.run((sys.executable, "-c", PROGRAM), check=True, capture_output=True, text=True)
    assert finished.stdout.split() == []
