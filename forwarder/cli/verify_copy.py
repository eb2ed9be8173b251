"""Puts the parts of ``forwarder verify --against`` together: two sessions, the table and its copy, and the states."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from forwarder.cli.progress import Bars, Told
from forwarder.cli.verify_outcome import Outcome, of_rules
from forwarder.cli.verify_request import Request, keys_of, names_of
from forwarder.database.access import DatabaseAddress
from forwarder.database.sessions import session
from forwarder.errors import Refused, plain_errors
from forwarder.verify.chunks import TableChunks
from forwarder.verify.copied_table import Copy, teller
from forwarder.verify.row_images import TextImages
from forwarder.verify.states import RowStates
from forwarder.verify.subject import Subject, read_subject
from forwarder.verify.verification import Verification
from forwarder.verify.watch import Watch


async def verify_copy(database_url: DatabaseAddress, request: Request, *, against: str, against_table: str) -> Outcome:
    """Compare a table with a consumer's copy of it, in the database at ``against``.

    Raises:
        Misconfigured, Refused: it cannot be done.
        Unavailable: somebody does not answer.
    """
    with plain_errors(), closing(RowStates()) as states:
        async with session(database_url, purpose="verify") as connection, session(against, purpose="verify") as other:
            subject = await read_subject(connection, request.table)
            if hashed := [column.name for column in subject.key if column.name in subject.treated]:
                raise Refused(
                    f"the key of {subject.quoted} is sent as a hash ({hashed[0]}), so its rows cannot be found in a copy"
                )
            copied = _with_key_of(subject, await read_subject(other, against_table))
            ours = TableChunks(connection, subject, TextImages(subject), teller(subject))
            theirs = TableChunks(other, copied, TextImages(copied), teller(subject))
            await ours.prepare()
            await theirs.prepare()
            watch = Watch()
            copy = Copy(theirs, states, watch, keeps_rows=request.keeps_rows)
            verification = Verification(ours, copy, states, watch, is_complete=lambda: True, tell=request.tell)
            bars = Bars(quiet=request.quiet)
            bars.add(
                Told(
                    subject.qualified_name,
                    lambda: f"{copy.rows:,} rows of the copy read, {verification.tally.rows:,} rows compared",
                )
            )
            async with bars.shown():
                await verification.run(keys_of(request, subject))
    return Outcome(
        table=subject.qualified_name,
        tally=verification.tally,
        copied=copy.rows,
        remarks=[*_not_compared(subject), *of_rules(subject)],
    )


def _not_compared(subject: Subject) -> list[str]:
    treated = ", ".join(sorted(subject.treated))
    return [f"not compared, since they are sent in another form: {treated}"] if treated else []


def _with_key_of(subject: Subject, copied: Subject) -> Subject:
    """The copy, with its key in the order of the table's."""
    by_name = {column.name: column for column in copied.key}
    if by_name.keys() != {column.name for column in subject.key}:
        raise Refused(
            f"the key of {subject.qualified_name} is ({names_of(subject)}), and that of its copy {copied.qualified_name} is ({names_of(copied)});"
            " give the copy the same primary key"
        )
    return replace(copied, key=tuple(by_name[column.name] for column in subject.key))
