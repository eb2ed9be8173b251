"""The role that ``forwarder.capture()`` runs as, and what it may do beyond that.

Turning a row into JSON runs the casts to json that the owner of a column's type has defined, with the rights of the function's owner.
So that has to be a role that may do nothing but fill the outbox.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from forwarder.database import Connection, errors_of
from forwarder.queries import query


class CaptureRole(msgspec.Struct, frozen=True, kw_only=True):
    """The role as found. Names are as SQL writes them."""

    name: str
    # Of schema forwarder.
    owner: str
    exists: bool
    has_capture: bool
    # Whether a membership says what it is good for: from PostgreSQL 16 on.
    says_what: bool
    # Whether it could do all that the owner can.
    is_unfit: bool
    # Whether the owner has its rights and may become it, as later migrations need.
    is_inherited: bool
    owner_inherits: bool
    # What whoever asks may do.
    can_create: bool
    can_grant: bool
    can_drop: bool
    # More than it should have: attributes, roles that it is a member of, its members beside the owner, objects.
    attributes: tuple[str, ...]
    member_of: tuple[str, ...]
    members: tuple[str, ...]
    holdings: tuple[str, ...]
    is_used_elsewhere: bool

    @property
    def can_be_entrusted(self) -> bool:
        """Whether whoever asks can see to it that the role has the function."""
        if self.is_unfit or not self.owner_inherits:
            return False
        return self.is_inherited or (self.can_grant if self.exists else self.can_create)

    @property
    def preparation(self) -> str:
        """What an administrator has to run before `forwarder migrate` can give the function to the role."""
        purpose = " WITH INHERIT TRUE, SET TRUE" if self.says_what else ""
        statements = {
            f"CREATE ROLE {self.name} NOLOGIN;": not self.exists,
            f"ALTER ROLE {self.owner} INHERIT;": not self.owner_inherits,
            f"GRANT {self.name} TO {self.owner}{purpose};": not self.is_inherited,
        }
        return " ".join(statement for statement, is_missing in statements.items() if is_missing)

    @property
    def needs_preparation(self) -> bool:
        """Whether an administrator can help."""
        return not (self.is_unfit or self.can_be_entrusted)

    @property
    def drop(self) -> str:
        """One statement, for when nothing is its own any more."""
        return f"DROP ROLE {self.name};"

    @property
    def can_go(self) -> bool:
        """Whether whoever asks can drop the role once schema ``forwarder`` is gone: nothing else is its own, and it is nobody's."""
        return self.can_drop and not (self.is_used_elsewhere or self.holdings)

    def warnings(self) -> tuple[str, ...]:
        """What keeps capture from being as harmless as it should be: one line each, with the remedy."""
        return tuple(self._trouble() if self.is_unfit or not self.has_capture else self._surplus())

    def _trouble(self) -> Iterator[str]:
        if self.is_unfit:
            yield (
                f"forwarder.capture() should not have the rights of {self.name}, with which whoever owns a column's type could run a"
                " cast to json: run `forwarder migrate` with a role of its own in capture_role in [database]"
            )
        elif self.needs_preparation:
            yield (
                f"forwarder.capture() has the rights of {self.owner}, with which whoever owns a column's type can run a cast to json: let"
                f" an administrator run {self.preparation} and then run `forwarder migrate` again"
            )

    def _surplus(self) -> Iterator[str]:
        has = f"role {self.name}, with whose rights forwarder.capture() runs,"
        if self.needs_preparation:
            yield (
                f"{self.owner} could not replace forwarder.capture(), which a later release may have to: let an administrator run"
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
                f"{members} may do what role {self.name} may, and so write to the outbox: REVOKE {self.name} FROM {members}, or give this"
                " database a capture_role of its own"
            )
        if self.holdings:
            yield f"{has} owns, or has been granted, what is not ours: {', '.join(self.holdings)}; take that away from it"


_ROLE = msgspec.json.Decoder(CaptureRole)


async def read_capture_role(connection: Connection, name: str | None = None) -> CaptureRole:
    """What is known of the role of this name, whether it exists or not; without a name, of the one that has the function now.

    Raises:
        Refused, Unavailable: the database does not tell.
    """
    with errors_of("cannot read the role of forwarder.capture()"):
        return _ROLE.decode(await connection.fetchval(query("capture_role"), name))
