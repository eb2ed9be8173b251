"""What the name of an endpoint of RDS says. Pure, and without the AWS SDK."""

from __future__ import annotations

import re

_REGION = r"[a-z]{2,4}(?:-[a-z]+)+-\d+"
# NAME.ID.eu-west-1.rds.amazonaws.com; in China NAME.ID.rds.cn-north-1.amazonaws.com.cn.
_ENDPOINT = re.compile(
    rf"(?:[a-z0-9-]+\.)+(?:(?P<before>{_REGION})\.rds|rds\.(?P<behind>{_REGION}))\.amazonaws\.(?:com|com\.cn|eu)"
)


def region_of_endpoint(host: str) -> str | None:
    """The region in the name of an endpoint, in lower case; None: it is the name of no endpoint."""
    found = _ENDPOINT.fullmatch(host)
    return (found["before"] or found["behind"]) if found else None
