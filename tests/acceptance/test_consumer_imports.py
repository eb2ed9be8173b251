"""A Lambda that imports the consumer's helpers pays for them alone."""

from __future__ import annotations

import subprocess
import sys

from tests.packaging import ROOT

PROGRAM = """
import sys
import forwarder.consumer
loaded = {name.partition(".")[0] for name in sys.modules}
print(*sorted(loaded - sys.stdlib_module_names - {"__main__"}))
print(*[name for name in ("asyncio", "gzip", "logging") if name in sys.modules])
"""


def test_they_need_nothing_but_python_itself_and_little_of_that() -> None:
    # -S: without the .pth files of this environment, which import what they like.
    command = (sys.executable, "-S", "-c", PROGRAM)
    finished = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    assert finished.stdout.splitlines() == ["forwarder", ""]
