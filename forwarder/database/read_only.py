"""A database that may not be written to: a standby, or one whose default is to be read only."""

from forwarder.database.access import DatabaseAddress
from forwarder.database.queries import query
from forwarder.database.sessions import CONNECT_TO_PRIMARY, Connection, database_errors, describe
from forwarder.errors import Refused


async def require_writable(connection: Connection, url: DatabaseAddress) -> None:
    """Tell somebody who is to write to the database at ``url`` why nobody can.

    Raises:
        Refused: it is a standby, or ``default_transaction_read_only`` is on for it or for the role.
        Unavailable: the database does not answer.
    """
    with database_errors("cannot tell whether the database may be written to"):
        found = await connection.fetchrow(query("read_only"))
    assert found is not None
    if found["is_standby"]:
        raise Refused(f"PostgreSQL at {describe(url)} is read-only; {CONNECT_TO_PRIMARY}")
    if found["is_default"]:
        raise Refused(
            f"PostgreSQL at {describe(url)} is read-only: somebody has set default_transaction_read_only for this database or role;"
            " set it to off, or run again when it is"
        )
