"""Warns, once each, of rules of a mapping file that contradict each other about a table or a column which came after `forwarder migrate`."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


class Contradictions:
    """What was told of one file since the listener started."""

    def __init__(self, source: str) -> None:
        """``source`` is the file's name."""
        self._source = source
        self._told: set[str] = set()

    def tell(self, said: str) -> None:
        """Warn of it, unless that was done."""
        if said not in self._told:
            self._told.add(said)
            logger.warning(
                "rules contradict each other, and none of them counts", extra={"file": self._source, "what": said}
            )
