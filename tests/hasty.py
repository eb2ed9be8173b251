"""``python -m tests.hasty ARGUMENT...``: the command, which takes a third of the usual time to find that nobody leads any more."""

from __future__ import annotations

from forwarder import checkpoints, leadership, lease
from forwarder.cli import main

if __name__ == "__main__":
    checkpoints.HEARTBEAT_SECONDS /= 3
    lease.LEASE_SECONDS /= 3
    leadership.SILENCE_SECONDS /= 3
    main()
