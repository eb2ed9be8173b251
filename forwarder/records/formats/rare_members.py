"""The members of a record that few records have, or those of few installations. Pure."""

import msgspec

from forwarder.events import Event
from forwarder.records.formats.times import time_of

_MOVED = {b"D": "moved_to", b"I": "moved_from"}


def rare_members(event: Event) -> str:
    """``,"context":{"user":"ada"},"fault":"02000"``: each with a comma before it; empty if the event has none."""
    context = f',"context":{event.context}' if event.context else ""
    extra = f",{event.extra}" if event.extra else ""
    committed_at = f',"committed_at":"{time_of(event.committed_at)}"' if event.committed_at else ""
    moved = f',"{_MOVED[event.op]}":{event.moved}' if event.moved else ""
    fault = f',"fault":"{event.fault}"' if event.fault else ""
    omitted = _omitted(event) if event.omitted else ""
    return context + extra + committed_at + moved + fault + omitted


def _omitted(event: Event) -> str:
    stored_at = f',"stored_at":{_json(event.stored_at)}' if event.stored_at else ""
    return f',"omitted":{_json(event.omitted)}{stored_at}'


def _json(value: str | tuple[str, ...]) -> str:
    return msgspec.json.encode(value).decode()
