"""The roles that ``forwarder.capture()`` and ``forwarder.images()`` run as, and what they may do that they should not.

1. ``capture()`` fills the outbox. Its role may do that and nothing else.
2. ``images()`` turns a row into JSON. That runs the casts to json that the owner of a column's type has defined, with the rights of the role
   that ``images()`` runs as. So this role may do nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors


class CaptureRole(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two roles as found. Names are as SQL writes them."""

    function: Literal["capture", "images"]
    name: str
    # The owner of schema forwarder.
    owner: str
    # The role that owns the function now.
    holder: str
    exists: bool
    # Whether this role owns the function now.
    has_function: bool
    # Whether a membership has the options INHERIT and SET: from PostgreSQL 16 on.
    says_what: bool
    # Whether it could do all that the owner can: a superuser, or a member of the owner.
    is_unfit: bool
    # Whether the owner has its rights and may become it, as later migrations need.
    is_inherited: bool
    owner_inherits: bool
    # What the role of this session may do: create it, make others its members, drop it.
    can_create: bool
    can_grant: bool
    can_drop: bool
    # What it should not have: attributes, roles that it is a member of, members besides the owner, objects and privileges that are not ours.
    attributes: tuple[str, ...]
    member_of: tuple[str, ...]
    members: tuple[str, ...]
    holdings: tuple[str, ...]
    # Whether it owns, or was granted, anything in another database.
    is_used_elsewhere: bool

    @property
    def can_be_entrusted(self) -> bool:
        """Whether the role of this session can give the function to this one."""
        if self.is_unfit or not self.owner_inherits:
            return False
        return self.is_inherited or (self.can_grant if self.exists else self.can_create)

    @property
    def is_settled(self) -> bool:
        """Whether the role has the function, and the owner of the schema can replace the function."""
        return self.has_function and self.is_inherited

    @property
    def preparation(self) -> str:
        """The statements that an administrator has to run before `forwarder migrate` can give the function to the role."""
        purpose = " WITH INHERIT TRUE, SET TRUE" if self.says_what else ""
        statements = {
            f"CREATE ROLE {self.name} NOLOGIN;": not self.exists,
            f"ALTER ROLE {self.owner} INHERIT;": not self.owner_inherits,
            f"GRANT {self.name} TO {self.owner}{purpose};": not self.is_inherited,
        }
        return " ".join(statement for statement, is_missing in statements.items() if is_missing)

    @property
    def needs_preparation(self) -> bool:
        """Whether an administrator has to run something, and it would help."""
        return not (self.is_unfit or self.can_be_entrusted)

    @property
    def drop(self) -> str:
        """One statement. It succeeds once the role owns nothing and was granted nothing any more."""
        return f"DROP ROLE {self.name};"

    @property
    def can_go(self) -> bool:
        """Whether the role of this session can drop this one once schema ``forwarder`` is gone: it has nothing else, here or in other databases."""
        return self.can_drop and not (self.is_used_elsewhere or self.holdings)

    @property
    def is_in_trouble(self) -> bool:
        """Whether the function runs with rights that it should not have, and `forwarder migrate` does not mend it."""
        return self.is_unfit or (not self.has_function and self.needs_preparation)

    def warnings(self, *, preparation: str | None = None) -> tuple[str, ...]:
        """What the function may do that it should not: one line each, with the remedy.

        ``preparation``: the statements of both roles together, where an administrator has to run both.
        """
        is_settled = self.has_function and not self.is_unfit
        return tuple(self._surplus() if is_settled else self._trouble(preparation or self.preparation))

    def _trouble(self, preparation: str) -> Iterator[str]:
        if self.is_unfit:
            yield (
                f"forwarder.{self.function}() should not have the rights of {self.name}, with which whoever owns a column's type could run a"
                " cast to json: run `forwarder migrate` with a role of its own in capture_role in [database]"
            )
        elif self.needs_preparation:
            yield (
                f"forwarder.{self.function}() has the rights of {self.holder}, with which whoever owns a column's type can run a cast to json:"
                f" let an administrator run {preparation} and then run `forwarder migrate` again"
            )

    def _surplus(self) -> Iterator[str]:
        has = f"role {self.name}, with whose rights forwarder.{self.function}() runs,"
        if self.needs_preparation:
            yield (
                f"{self.owner} could not replace forwarder.{self.function}(), which a later release may have to: let an administrator run"
                f" {self.preparation}"
            )
        if self.attributes:
            remedy = " ".join(f"NO{attribute}" for attribute in self.attributes)
            yield f"{has} has {', '.join(self.attributes)}: ALTER ROLE {self.name} {remedy}"
        if self.member_of:
            groups = ", ".join(self.member_of)
            yield f"{has} has the rights of {groups}, too: REVOKE {groups} FROM {self.name}"
        if self.members:
            members = ", ".join(self.members)
            yield (
                f"{members} may do what role {self.name} may, and so {self._power}: REVOKE {self.name} FROM {members}, or give this"
                " database a capture_role of its own"
            )
        if self.holdings:
            yield f"{has} owns, or has been granted, what is not ours: {', '.join(self.holdings)}; take that away from it"

    @property
    def _power(self) -> str:
        return "write to the outbox" if self.function == "capture" else "drop the function"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRoles:
    """Both roles as found."""

    capture: CaptureRole
    images: CaptureRole

    @property
    def is_due(self) -> bool:
        """Whether one of the functions can be given to the role that it should have, and was not yet."""
        if not self.capture.can_be_entrusted:
            return False
        if self.images.can_be_entrusted:
            return not (self.capture.is_settled and self.images.is_settled)
        # The role of images() cannot be made. Then images() is to go to the role of capture().
        return not (self.capture.is_settled and self.images.holder in (self.images.name, self.capture.name))

    @property
    def preparation(self) -> str:
        """What an administrator has to run first; empty if nothing, or if it would not help."""
        if self.capture.is_unfit:
            return ""
        return " ".join(role.preparation for role in self._both if role.needs_preparation)

    @property
    def droppable(self) -> tuple[CaptureRole, ...]:
        """Those that are dropped with the schema, or should be."""
        return tuple(role for role in self._both if role.has_function and not role.is_unfit)

    def warnings(self) -> tuple[str, ...]:
        """One line each, with the remedy."""
        if self.capture.is_in_trouble:
            return self.capture.warnings(preparation=self.preparation)
        return (*self.capture.warnings(), *self.images.warnings())

    @property
    def _both(self) -> tuple[CaptureRole, CaptureRole]:
        return self.capture, self.images


_ROLE = msgspec.json.Decoder(CaptureRole)


async def read_capture_roles(connection: Connection, name: str | None = None) -> CaptureRoles:
    """What is known of the role with this name, which ``forwarder.capture()`` is to run as, and of the role for ``forwarder.images()`` beside it.

    They need not exist. Without a name: of the role that has ``capture()`` now.

    Raises:
        Refused, Unavailable: the database does not tell.
    """
    with database_errors("cannot read the roles of forwarder.capture() and forwarder.images()"):
        found = {
            function: _ROLE.decode(await connection.fetchval(query("capture_role"), name, function))
            for function in ("capture", "images")
        }
    return CaptureRoles(**found)
