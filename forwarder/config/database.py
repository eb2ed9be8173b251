"""``[database]``: where the rows are, and how one logs in there."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from forwarder.config.section import Seconds, Section
from forwarder.config.wake import Wake

# The role that forwarder.capture() is given to, if no other is asked for.
CAPTURE_ROLE = "forwarder_capture"

Auth = Literal["password", "rds-iam", "secrets-manager"]


class DatabaseSettings(Section):
    """``[database]``: where the rows are."""

    url: SecretStr = Field(
        default=SecretStr(""),
        description="PostgreSQL connection URL; what it leaves out comes from libpq's variables (PGHOST, PGUSER, …).",
    )
    auth: Auth = Field(
        default="password",
        description="How we log in. password: by that of the URL, of password_file, or of libpq's variables and files. rds-iam: by a token "
        "that is signed for each connection, where RDS has IAM authentication switched on; it takes TLS. secrets-manager: by what secret says, "
        "which is read again when it is refused.",
    )
    secret: str | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        description="Of auth = secrets-manager: the secret's ARN or name. It is JSON as RDS keeps it: username, password, host, port, dbname. "
        "Host, port and dbname count where the URL has none; user and password always.",
    )
    password_file: Path | None = Field(
        default=None,
        description="A file with the password alone, read at each connect; a relative path is from the settings' own folder. It goes with a URL "
        "that has none.",
    )
    region: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,64}$",
        description="The AWS region of the secret or of the database; else that of the secret's ARN or of the host's name; else AWS_REGION.",
    )
    iam_endpoint: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$",
        description="Of auth = rds-iam: RDS's own HOST or HOST:PORT where the URL has another name for it, such as an alias or a tunnel's end. "
        "RDS takes a token only if it is for its own name.",
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

    @model_validator(mode="after")
    def _fits_auth(self) -> Self:
        if self.secret is None and self.auth == "secrets-manager":
            raise ValueError("auth = secrets-manager needs secret, its ARN or its name")
        for field, auth in (
            ("secret", "secrets-manager"),
            ("iam_endpoint", "rds-iam"),
            ("password_file", "password"),
        ):
            if getattr(self, field) is not None and self.auth != auth:
                raise ValueError(f"{field} goes with auth = {auth}, and auth is {self.auth}; leave one of them out")
        return self
