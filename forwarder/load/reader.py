"""Reads the rows of a captured table in chunks, each of one snapshot, without a lock that anybody would notice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import asyncpg
import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import ILLEGIBLE, Connection, database_errors
from forwarder.errors import LoadFailed, TableBusy
from forwarder.load.chunk import Chunk, Place
from forwarder.load.chunk_transaction import chunk_transaction
from forwarder.load.files import with_files
from forwarder.load.keyless import file_range, leave_out_told
from forwarder.load.making import KeylessMaking, Making
from forwarder.load.pacing import Restraint
from forwarder.load.part import Part
from forwarder.load.planning import plan_table
from forwarder.load.portions import Portions
from forwarder.load.relations import Changed, Relation, look_up
from forwarder.load.table_plan import TablePlan
from forwarder.outbox.position import Snapshot

# How often a chunk is begun anew since its table was altered in between, before somebody else's turn comes.
ATTEMPTS = 5

# Errors of the images of single rows, for which forwarder.row_image() leaves out the image.
_OF_A_ROW: tuple[type[Exception], ...] = (
    *ILLEGIBLE,
    asyncpg.DataError,
    asyncpg.PLPGSQLError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.OutOfMemoryError,
    asyncpg.InternalServerError,
)
_OF_THE_TABLE: tuple[type[Exception], ...] = (asyncpg.SyntaxOrAccessError, *_OF_A_ROW)
# Errors of locking a table by the name that it had when it was looked up: it has been renamed or dropped since, or another one has its name.
_OF_THE_NAME: tuple[type[Exception], ...] = (
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
)


class ChunkReader:
    """Reads tables for loads, one chunk at a time.

    Each chunk is read in a transaction of its own, which is over when the chunk is returned. It holds the lock that any SELECT has, so that only
    DROP, TRUNCATE and most kinds of ALTER TABLE wait for it; and waits half a second at most for somebody who has locked the table.
    """

    def __init__(self, connection: Connection, *, restraint: Restraint | None = None) -> None:
        """``connection``: a session that nobody else uses. ``restraint``: None: nothing comes meanwhile that a chunk could be in the way of."""
        self._connection = connection
        self._restraint = restraint
        self._is_set_up = False
        self._relations: dict[tuple[TablePlan, int], Relation] = {}

    async def plan(self, table_id: int, part: Part) -> TablePlan:
        """Work out what is to be read of a captured table.

        Raises:
            LoadFailed: it cannot be loaded, or not this part of it; one line with the remedy.
            TableBusy: somebody has it locked.
            Unavailable: the database does not answer.
        """
        with _errors(f"table {table_id}"):
            await self._set_up()
            for _ in range(ATTEMPTS):
                try:
                    plan = await plan_table(self._connection, table_id, part)
                    if place := await self._next(plan, 0):
                        await look_up(self._connection, plan, place.relation)
                    return plan
                except Changed:
                    continue
            raise _being_altered(f"table {table_id}")

    async def read(self, plan: TablePlan, place: Place | None, *, rows: int, bytes: int, begun: Snapshot) -> Chunk:
        """Read the rows that follow a place, in the order of the key, all of one snapshot.

        Args:
            place: None: the beginning.
            rows: how many rows are looked at, at most. Those that do not meet the conditions of the plan are not returned.
            bytes: the chunk ends with the row by which the images have so many.
            begun: the snapshot at the beginning of the load. Of a table without a key only rows are returned that were written by what it sees.

        Raises:
            Rewritten: a table without a key was written anew, or altered; its load has to begin again, with another ``begun``.
            LoadFailed: the table was dropped, or altered so that this part of it cannot be read any more.
            TableBusy: somebody has it locked, or waits to alter it. It should be read again after a while.
            Unavailable: the database does not answer.
        """
        with _errors(plan.qualified_name):
            await self._set_up()
            place = place or await self._next(plan, 0)
            attempts = 0
            while place is not None:
                here = place
                try:
                    if relation := await self._relation(plan, here.relation):
                        return await self._chunk(plan, relation, here, rows=rows, bytes=bytes, begun=begun)
                    place = await self._behind(plan, here)
                except Changed:
                    self._relations.pop((plan, here.relation), None)
                    attempts += 1
                    if attempts == ATTEMPTS:
                        raise _being_altered(plan.qualified_name) from None
            return await self._end(plan)

    async def _head(self, oid: int) -> asyncpg.Record:
        """The snapshot of this moment or of the transaction that is open, and the stamp of a table."""
        head = await self._connection.fetchrow(query("load_head"), oid)
        assert head is not None
        return head

    async def _set_up(self) -> None:
        if not self._is_set_up:
            await self._connection.execute(query("load_session"))
            self._is_set_up = True

    async def _next(self, plan: TablePlan, relation: int) -> Place | None:
        """The beginning of the table, or partition, that is read after this one; 0: of the first one."""
        oid = await self._connection.fetchval(query("load_next"), plan.relation, relation)
        return None if oid is None else Place(oid)

    async def _behind(self, plan: TablePlan, place: Place) -> Place | None:
        """The beginning of the partition that is read after that of a place."""
        following = await self._next(plan, place.relation)
        if following is None or place.files is None:
            return following
        files = {relation: file for relation, file in place.files.items() if relation >= following.relation}
        return msgspec.structs.replace(following, files=files)

    async def _relation(self, plan: TablePlan, oid: int) -> Relation | None:
        known = self._relations.get((plan, oid))
        # A type may be given a cast, or go to somebody else, without a change of the table.
        if known is None or not known.query.needs.lasts:
            found = await look_up(self._connection, plan, oid)
            if found is None:
                return None
            if known is not None:
                found.largest_bytes = known.largest_bytes
            self._relations[plan, oid] = known = found
        return known

    async def _chunk(
        self, plan: TablePlan, relation: Relation, place: Place, *, rows: int, bytes: int, begun: Snapshot
    ) -> Chunk:
        try:
            return await self._attempt(plan, relation, place, rows=rows, bytes=bytes, begun=begun)
        except _OF_A_ROW:
            if relation.query.is_careful:
                raise
            careful = replace(relation, query=replace(relation.query, is_careful=True))
            return await self._attempt(plan, careful, place, rows=rows, bytes=bytes, begun=begun)

    async def _attempt(
        self, plan: TablePlan, relation: Relation, place: Place, *, rows: int, bytes: int, begun: Snapshot
    ) -> Chunk:
        async with chunk_transaction(self._connection):
            # Before the snapshot is taken: one that is older than a TRUNCATE, or an ALTER TABLE that writes the table anew, sees no rows at all.
            try:
                await self._connection.execute(f"LOCK TABLE ONLY {relation.name} IN ACCESS SHARE MODE")
            except _OF_THE_NAME as error:
                raise Changed from error
            started = time.perf_counter()
            head = await self._head(place.relation)
            answer_seconds = time.perf_counter() - started
            if head["stamp"] != relation.stamp:
                raise Changed
            found = Portions(rows=rows, bytes=bytes, largest_bytes=relation.largest_bytes, restraint=self._restraint)
            now = Snapshot.parse(head["snapshot"])
            if relation.query.paging:
                following = await self._read_by_key(relation, place, found, rows=rows, bytes=bytes)
            else:
                place = await with_files(self._connection, plan, place, begun=begun, now=now)
                following = await self._read_by_place(
                    plan, relation, place, found, rows=rows, bytes=bytes, begun=begun, now=now
                )
            if following is None:
                following = await self._behind(plan, place)
                self._relations.pop((plan, place.relation), None)
        relation.largest_bytes = found.largest_bytes or relation.largest_bytes
        return Chunk(
            rows=found.rows,
            place=following,
            snapshot=now,
            at=head["at"],
            # Without what any answer takes on this machine, however small.
            seconds=max(0.0, found.seconds - found.portions * answer_seconds),
            bytes=found.bytes,
        )

    async def _read_by_key(
        self, relation: Relation, place: Place, found: Portions, *, rows: int, bytes: int
    ) -> Place | None:
        order = relation.query.order
        # Read by another key, or in another order, than so far: which rows were read cannot be told, so all of them are read.
        after = place.after if place.order == order else None
        if not relation.query.is_index_order:
            await self._connection.execute("SET LOCAL enable_sort = on")
        making = Making(relation.query)
        await found.fetch(self._connection, relation.query.by_key(after, rows=rows, bytes=bytes), making)
        if found.is_end:
            return None
        assert found.last is not None
        return Place(place.relation, making.key(found.last), order)

    async def _read_by_place(
        self,
        plan: TablePlan,
        relation: Relation,
        place: Place,
        found: Portions,
        *,
        rows: int,
        bytes: int,
        begun: Snapshot,
        now: Snapshot,
    ) -> Place | None:
        part = await file_range(self._connection, plan, place, begun=begun, now=now)
        making = KeylessMaking(relation.query, begun=begun, now=now)
        statement = relation.query.by_place(part.after, end=part.until, rows=rows, bytes=bytes)
        await found.fetch(self._connection, statement, making)
        await leave_out_told(self._connection, plan, found, making, begun)
        return part.following(found, making, place)

    async def _end(self, plan: TablePlan) -> Chunk:
        """What is read where there is nothing left to read."""
        if not await self._connection.fetchval(query("load_is_captured"), plan.relation, plan.table_id):
            raise LoadFailed(f"{plan.qualified_name} was dropped, or is captured no longer")
        head = await self._head(plan.relation)
        return Chunk(
            rows=(), place=None, snapshot=Snapshot.parse(head["snapshot"]), at=head["at"], seconds=0.0, bytes=0
        )


def _being_altered(table: str) -> TableBusy:
    return TableBusy(f"{table} is being altered; it is read later")


@contextmanager
def _errors(table: str) -> Iterator[None]:
    """Raise the errors of reading a table as those of this program."""
    with database_errors(f"cannot read {table}"):
        try:
            yield
        except asyncpg.LockNotAvailableError:
            raise TableBusy(f"{table} is locked; it is read later") from None
        except asyncpg.InsufficientPrivilegeError as error:
            raise LoadFailed(
                f"{table}: {error.args[0]}; grant it to the role of the listener, or run `forwarder migrate --runtime-role`"
            ) from None
        except _OF_THE_TABLE as error:
            raise LoadFailed(f"{table} cannot be read: {_told(error)}; correct the condition, or the table") from error


def _told(error: Exception) -> str:
    """What may be told of an error. One of a value quotes the value, which may be of a column that nobody is to see."""
    if isinstance(error, asyncpg.SyntaxOrAccessError):
        return " ".join(str(error).split())
    code = getattr(error, "sqlstate", None)
    return f"a value does not fit (SQLSTATE {code})" if code else "a value is not legible"
