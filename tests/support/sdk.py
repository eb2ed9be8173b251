"""The AWS SDK's descriptions of its services, read once a process: each session of it would read its own, for a fifth of a second."""

from __future__ import annotations

from functools import cache

import botocore.session
from botocore.loaders import create_loader


def read_descriptions_once() -> None:
    """Let the sessions of this process share what they read, as the clients of one session do anyway."""
    botocore.session.create_loader = cache(create_loader)


def read_descriptions() -> None:
    """Read what a client of Kinesis needs, beforehand."""
    botocore.session.get_session().create_client(
        "kinesis", region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )
