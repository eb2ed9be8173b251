"""A change of who may do what with schema ``forwarder``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args


def images_role(capture_role: str) -> str:
    """The name of the role that forwarder.images() is given to, beside that of forwarder.capture(); so says 0024_foreign_code.sql."""
    return f"{capture_role}_images"


# The parts of the rights, in the order in which they are brought in line. What a role gains comes before what another one loses, so that a function
# never runs without a right that it needs.
#   owner: what a superuser's `forwarder migrate` has created goes to the owner of the schema
#   capture: forwarder.capture() goes to a role that may do what that function needs, forwarder.images() to a role that may do nothing
#   partitions: owners of captured partitioned tables may attach partitions, which get our trigger
#   runtime: a role may run `forwarder listen`
#   close: what PUBLIC may do, or default privileges have granted, is revoked
#   clear: triggers, rules, policies and foreign keys that others have left on our tables are dropped
Part = Literal["owner", "capture", "partitions", "runtime", "close", "clear"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Bring one part of the rights in line; ``roles`` are those whom it concerns.

    ``sql`` is for one transaction. It locks no table, except those that get another owner or are cleared: these by ACCESS EXCLUSIVE.
    """

    part: Part
    roles: tuple[str, ...]
    sql: str

    @property
    def table(self) -> str:
        """What it is called in messages."""
        return "forwarder.capture()" if self.part in ("capture", "partitions") else "schema forwarder"
