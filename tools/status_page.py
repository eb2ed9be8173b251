"""Writes docs/status.md: how to read `forwarder status`, and every member of its document, as the document itself describes it. ``make docs``"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from forwarder.status.document import VERSION, Document, History

PAGE = Path(__file__).parents[1] / "docs" / "status.md"

_HEAD = f"""# How it is now

`forwarder status` says in its first line whether all is well and, if not, what to do:

```
NOT WELL  stream changes: Could not connect to the endpoint URL: "https://…/"
  -> if it stays so, see that this machine reaches it (DNS, route or VPC
     endpoint, security groups), and endpoint_url and region in the sink's URL

 sink     state  waiting  oldest  in/s  out/s  left  dead
 ────────────────────────────────────────────────────────
 default  stuck    3,700   4.0 s   317    317           0

default: to kinesis://changes; led by ip-10-0-1-7 (pid 7, forwarder 0.1.0); 3.2
         requests/s, 0 under way; half of them within 4.4 ms, 99 % within 8.3
         ms; from commit to stream 12.4 ms and 27.8 ms; 500 records in memory
         (127.5 kB)
```

```bash
forwarder status            # once; exit status 0: well, 1: not well
forwarder status --watch 5  # anew every five seconds, until Ctrl-C
forwarder status --all      # all tables, not only 20 of them
forwarder status --json     # the document below
```

It asks the database alone, with the rights of the role that runs `forwarder listen` or of the owner of schema `forwarder`. So it works from any
machine, also while no listener runs. `/api/status` of a listener answers the same document, with newer figures of its own sinks.

| column | it says |
|---|---|
| state | `delivering`: nothing is in the way of its leader. `stuck`: it cannot send, or not all. `unled`: nobody leads. `starting`: about to be led |
| waiting, oldest | changes that the sink lacks, and how long the oldest of them has waited |
| in/s, out/s | read for it, and acknowledged by it, each second of the last minute. While a sink is behind it is read for as fast as it takes |
| left | until the backlog is delivered, if it goes on falling as in the last minute. Empty: it does not fall |
| dead | dead letters: changes that were set aside |

| a table is | when |
|---|---|
| `captured` | all is well with it |
| `loading` | rows that were there before are being read for the sink, or wait to be |
| `paused` | the outbox is above `max_bytes` and capture has been paused: its changes are missed |
| `drifted` | a trigger is missing or off, or the table is gone; or, which `forwarder status` alone looks at, it is not captured as the settings say |
| `gap` | among the last 20,000 changes is a record that some of its changes may be missing |
| `removed` | it is captured no longer; what was told of it before is still counted |

**How well is well?** Not well is what keeps changes from being delivered or captured: no leader, a stuck sink, paused capture, drift, a change that
waits for longer than `warn_age_seconds` and no end in sight. All else is a warning: dead letters, a failed load, a gap, a large outbox, a stream
that throttles or a key that changes too fast where the sink is late for it, what listeners warn of.
The first line names the first warning. `forwarder check` looks at much more, and takes longer.

**What is counted?** A change counts for its table when the saved position of the sink has passed over it, and so once, whoever is killed. What
`forwarder replay` sends again counts again ([table statistics](design/statistics.md)).

**How old is it?** Each listener writes into table `forwarder.listener` that it runs, and the figures of the sinks that it leads: every five seconds,
and at once when its state changes. Who has not written for 15 seconds, or has lost the lock of the sink that it led, is shown no more. All else is
read when it is asked for; but a listener looks for drift and gaps every 15 seconds only, or less often where that takes long.

**What does it cost?** A listener reads the status only while somebody looks at it, on a session of its own that is closed half a minute later. The
backlog is counted up to 10,000 changes, by an index; beyond, an estimate stands, in which also numbers count that were drawn and not used.
Values and keys of rows are in none of it.

## The document

`version` {VERSION} rises when a member changes its meaning or goes. Programs should pass over members that they do not know. Times are ISO 8601,
in UTC. What nobody knows now is null. Rates and percentiles are of the last minute.

"""


def page() -> str:
    """The text of the page."""
    return _HEAD + "\n".join(_lines())


def _lines() -> Iterator[str]:
    document, history = Document.model_json_schema(), History.model_json_schema()
    yield from _part("The whole", document)
    for name, part in document["$defs"].items():
        yield from _part(f"`{name}`", part)
    yield from _part("`History`, with which an event stream begins", history)


def _part(heading: str, part: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {heading}\n"
    if (says := part.get("description")) and says != "The whole.":
        yield f"{says}\n".replace("``", "`")
    yield "| member | value | |"
    yield "|---|---|---|"
    for name, member in part["properties"].items():
        yield f"| `{name}` | {_kind(member)} | {member.get('description', '')} |"
    yield ""


def _kind(member: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    if "anyOf" in member:
        return " or ".join(_kind(choice) for choice in member["anyOf"])
    if "$ref" in member:
        return f"`{member['$ref'].rpartition('/')[2]}`"
    if "enum" in member:
        return ", ".join(f"`{value}`" for value in member["enum"])
    match member["type"]:
        case "array":
            return f"list of {_kind(member['items'])}"
        case "object":
            return f"by name {_kind(member['additionalProperties'])}"
        case "string":
            return "time" if member.get("format") == "date-time" else "text"
        case "boolean":
            return "true, false"
        case "integer":
            return "whole number"
        case kind:
            return str(kind)


if __name__ == "__main__":
    PAGE.write_text(page())
