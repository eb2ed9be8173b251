"""How many bytes of row images a change may have, and the change that makes it so. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# The limit that sql/migrations/0010_versions.sql sets.
FIRST_MAX_IMAGE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitImages:
    """Set the size of row images above which the triggers leave them out."""

    found_bytes: int
    max_bytes: int
    table: str = "forwarder.outbox"

    @property
    def sql(self) -> str:
        """One statement; locks no table."""
        return f"SELECT forwarder.limit_images({self.max_bytes});"


def image_limit(found_bytes: int | None, wanted_bytes: int | None) -> tuple[LimitImages, ...]:
    """What to change so that the limit is as wanted; ``wanted_bytes`` None leaves it as it is.

    ``found_bytes`` None: there is no limit yet, or no outbox.
    """
    found = found_bytes or FIRST_MAX_IMAGE_BYTES
    if wanted_bytes in (None, found):
        return ()
    return (LimitImages(found_bytes=found, max_bytes=wanted_bytes),)
