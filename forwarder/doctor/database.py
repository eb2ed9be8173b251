"""Looks at the database, area by area, on one session.

1. A look that fails says so, and the next one has its turn.
2. One that hangs is given up with the rest of its area, and the session with it. The next area gets a new one.
3. A database that cannot be reached is one finding; and where there is no schema to look into, nothing is said of what would be in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

import anyio

from forwarder.capture.selection import Rule
from forwarder.config.settings import Settings
from forwarder.database import sessions
from forwarder.database.access import DatabaseAddress
from forwarder.database.queries import query
from forwarder.database.sessions import database_errors
from forwarder.doctor import captured, clock, connection, delivery, outbox, roles, schema, tables, transactions
from forwarder.doctor.area import Area, Look, Patient
from forwarder.doctor.captured import Captured
from forwarder.doctor.finding import Finding, of_error
from forwarder.doctor.guard import guarded, timed_out
from forwarder.doctor.own_role import read_own_role
from forwarder.doctor.report import Section
from forwarder.errors import ForwarderError

AREAS = (
    connection.AREA,
    clock.AREA,
    roles.AREA,
    schema.AREA,
    tables.AREA,
    outbox.AREA,
    transactions.AREA,
    delivery.AREA,
)
# How long one look may take; a statement may take a third of that (careful.sql). Each look has its own time: to compare thousands of tables with
# the settings keeps this machine busy for seconds, and the looks after it need not pay for that.
LOOK_SECONDS = 15.0


class DatabaseExamination:
    """One look at one database."""

    def __init__(self, *, url: DatabaseAddress, settings: Settings, rules: Sequence[Rule], is_fast: bool) -> None:
        """``rules``: by which tables are chosen. ``is_fast``: leave out what takes long."""
        self._url = url
        self._settings = settings
        self._rules = rules
        self._is_fast = is_fast
        # By which the sinks are judged afterwards.
        self.captured = Captured()

    async def run(self) -> list[Section]:
        """Look at all areas."""
        sections: list[Section] = []
        async with AsyncExitStack() as stack:
            patient: Patient | None = None
            for area in AREAS:
                if patient is None or patient.connection.is_closed():
                    try:
                        patient = await self._admitted(stack)
                    except ForwarderError as error:
                        name = area.name if sections else connection.AREA.name
                        return [*sections, Section(area=name, findings=[of_error("server", error)])]
                if findings := await self._look(area, patient):
                    sections.append(Section(area=area.name, findings=findings))
            # Why that cannot be had was found before.
            if patient and self._settings.sink and not self._is_fast:
                await guarded("what is captured", partial(self._learn, patient))
        return sections

    async def _learn(self, patient: Patient) -> Sequence[Finding]:
        if patient.role.can_look_inside and not patient.connection.is_closed():
            with anyio.move_on_after(LOOK_SECONDS):
                self.captured = await captured.read(patient)
        return ()

    async def _admitted(self, stack: AsyncExitStack) -> Patient:
        """A new session, which can change nothing; ``stack`` closes it.

        Raises:
            Misconfigured, Refused, Unavailable: the database cannot be reached.
        """
        session = await sessions.connect(self._url, purpose="check")
        stack.push_async_callback(sessions.close, session)
        with database_errors("cannot set up the session"):
            await session.execute(query("careful"))
        role = await read_own_role(session)
        return Patient(connection=session, url=self._url, settings=self._settings, rules=self._rules, role=role)

    async def _look(self, area: Area, patient: Patient) -> list[Finding]:
        found: list[Finding] = []
        for look in (*area.outside, *(area.inside if patient.role.can_look_inside else ())):
            if self._is_due(look, patient) and not patient.connection.is_closed():
                with anyio.move_on_after(LOOK_SECONDS) as deadline:
                    found += await guarded(look.subject, partial(look.find, patient))
                if deadline.cancelled_caught:
                    found.append(timed_out(look.subject, LOOK_SECONDS))
                    patient.connection.terminate()
        return found

    def _is_due(self, look: Look, patient: Patient) -> bool:
        return not (look.is_slow and self._is_fast) and (patient.role.is_owner or not look.is_for_owner)
