"""The change that turns schema events on or off. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSchemaEvents:
    """Have changes of tables told in the stream, or not any more."""

    is_on: bool
    table: str = "forwarder.schema_events"

    @property
    def sql(self) -> str:
        """Locks no table of the application. Whoever turns them on again is told of every table anew."""
        if self.is_on:
            return "UPDATE forwarder.schema_events SET is_on = true;"
        return "UPDATE forwarder.schema_events SET is_on = false;\nDELETE FROM forwarder.told_schema;"


def schema_switch(*, found: bool, wanted: bool | None) -> tuple[SwitchSchemaEvents, ...]:
    """What to change so that it is as wanted; ``wanted`` None leaves it as it is."""
    return () if wanted in (None, found) else (SwitchSchemaEvents(is_on=wanted),)
