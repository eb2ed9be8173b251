"""A dict that forgets what has not been set for longest, so that its size has a bound. Pure."""

from collections import OrderedDict


class Recent(OrderedDict[str, int]):
    """At most ``size`` entries."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def __setitem__(self, key: str, value: int) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._size:
            self.popitem(last=False)
