"""``[database]``: where the rows are, and how one logs in there."""

from pathlib import Path

from pydantic import Field, SecretStr

from forwarder.config.section import Seconds, Section
from forwarder.config.wake import Wake

# The role that forwarder.capture() is given to, if no other is asked for.
CAPTURE_ROLE = "forwarder_capture"


class DatabaseSettings(Section):
    """``[database]``: where the rows are."""

    url: SecretStr = Field(
        default=SecretStr(""),
        description="PostgreSQL connection URL; what it leaves out comes from libpq's variables (PGHOST, PGUSER, …).",
    )
    password_file: Path | None = Field(
        default=None,
        description="A file with the password alone, read at each connect; a relative path is from the settings' own folder. It goes with a URL "
        "that has none.",
    )
    wake: Wake = Field(
        default="auto",
        description="doorbell: writers notify the sleeping listener, for latencies of milliseconds. poll: nobody ever "
        "notifies, as two-phase commit needs; the latency is poll_interval_seconds. auto: the doorbell where "
        "max_prepared_transactions is 0, so that nobody can prepare a transaction; else a look every 100 ms.",
    )
    poll_interval_seconds: Seconds = Field(
        default=5.0,
        description="The longest the listener sleeps without looking; the whole latency under wake = poll.",
    )
    capture_role: str = Field(
        default=CAPTURE_ROLE,
        pattern=r"^[A-Za-z_][A-Za-z0-9_.@-]{0,55}$",
        description="The role that owns the trigger function and may only fill the outbox; made by `forwarder migrate` if it may, with a second "
        "one of this name and `_images`, which may do nothing. "
        "Databases with different owners in one cluster need one each.",
    )
