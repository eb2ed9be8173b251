"""``python -m tests.survivor FILE ARGUMENT...``: the command, which writes every second into FILE how many tasks it has."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from pathlib import Path

from forwarder.cli import main


def count_tasks(path: Path) -> None:
    while True:
        tasks = [thing for thing in gc.get_objects() if isinstance(thing, asyncio.Task) and not thing.done()]
        path.write_text(str(len(tasks)))
        del tasks
        time.sleep(1)


if __name__ == "__main__":
    threading.Thread(target=count_tasks, args=(Path(sys.argv.pop(1)),), daemon=True).start()
    main()
