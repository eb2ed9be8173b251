"""The members that few records have, under the names of the native format. In other formats they stand in a member of our own. Pure."""

from __future__ import annotations

from typing import Any

from forwarder.consumer.members import Members


def rare_members(members: Members) -> dict[str, Any]:
    """Those of ``forwarder.consumer.Change``, by their names.

    Raises:
        Unreadable: a member is of another type.
    """
    return {
        "partition": members.text("partition"),
        "context": members.values.get("context"),
        "audit": members.row("audit"),
        "changed": members.names("changed"),
        "committed_at": members.time("committed_at"),
        "moved_from": members.row("moved_from"),
        "moved_to": members.row("moved_to"),
        "load": members.row("load"),
        "fault": members.text("fault"),
        "omitted": members.names("omitted") or (),
        "stored_at": members.text("stored_at"),
    }
