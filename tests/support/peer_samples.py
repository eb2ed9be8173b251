"""Records that other systems wrote, which lie beside the repository where it is worked on, in shared/samples. They are not ours to keep."""

from __future__ import annotations

from pathlib import Path

import pytest

DIRECTORY = next(
    (found for parent in Path(__file__).parents if (found := parent / "shared" / "samples").is_dir()), Path("samples")
)

needs_samples = pytest.mark.skipif(not DIRECTORY.is_dir(), reason="needs the samples of the peers' records")


def lines_of(name: str) -> list[str]:
    """The lines of a file, such as ``debezium-default``."""
    # Not splitlines(): a value has the line separator U+2028 in it.
    return [line for line in (DIRECTORY / f"{name}.jsonl").read_text().split("\n") if line]
