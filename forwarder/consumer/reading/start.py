"""Where reading begins."""

from datetime import datetime
from typing import Literal

# With the oldest record that there is, with what comes from now on, or with what has arrived since then.
Start = Literal["oldest", "latest"] | datetime
