"""How fast a command gets on. Pure."""

from __future__ import annotations

from collections import deque

# Speed is that of the last seconds.
_WINDOW_SECONDS = 10.0


class Pace:
    """How fast something is counted, by how much of it there was at some moments."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, int]] = deque()

    def note(self, count: int, *, now: float) -> None:
        """Take down how many there are by now, in seconds of any clock."""
        self._noted.append((now, count))
        while self._noted[-1][0] - self._noted[0][0] > _WINDOW_SECONDS and len(self._noted) > 2:
            self._noted.popleft()

    @property
    def per_second(self) -> float:
        """The average over the last seconds; 0: not known yet."""
        if not self._noted or self._noted[-1][0] == self._noted[0][0]:
            return 0.0
        (began, first), (now, last) = self._noted[0], self._noted[-1]
        return (last - first) / (now - began)
