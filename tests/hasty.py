"""``python -m tests.hasty ARGUMENT...``: the command, which takes a third of the usual time to find that nobody leads any more.

It notices within a second that a table has another name.
"""

from __future__ import annotations

from forwarder.cli import main
from forwarder.delivery import lease
from forwarder.listen import checkpoints
from forwarder.outbox import source
from forwarder.store import leadership

if __name__ == "__main__":
    checkpoints.HEARTBEAT_SECONDS /= 3
    lease.LEASE_SECONDS /= 3
    leadership.SILENCE_SECONDS /= 3
    source.NAMES_SECONDS = 1.0
    main()
