"""The streams of a sink that has one for each table: whether each is there and may be written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio

from forwarder.capture.catalog import TableName
from forwarder.capture.selection import Pattern
from forwarder.config.sink_url import KinesisTarget
from forwarder.config.stream_template import stream_of
from forwarder.doctor.finding import Finding, Verdict, note, of_error, of_sentence, ok
from forwarder.doctor.guard import guarded
from forwarder.doctor.stream import StreamExamination
from forwarder.errors import ForwarderError
from forwarder.sinks.kinesis.stream_watch import KinesisWatch

# So many streams are asked, and so long is waited between two: DescribeStreamSummary is limited to 20 calls a second and account.
MOST_ASKED = 150
PAUSE_SECONDS = 0.06
# So many that cannot be written to are named.
MOST_NAMED = 10


def streams_of(
    target: KinesisTarget, tables: Sequence[TableName], patterns: Sequence[str]
) -> Mapping[str, Sequence[TableName]]:
    """By stream the tables whose changes go there. ``patterns``: those of the sink; none are for all tables."""
    chosen = [Pattern(pattern) for pattern in patterns]
    streams: dict[str, list[TableName]] = {}
    for table in tables:
        if not chosen or any(pattern.matches(table) for pattern in chosen):
            streams.setdefault(stream_of(target.stream, schema=table.schema, table=table.name), []).append(table)
    return streams


class RoutedExamination:
    """Asks the streams, and of the first one also what is the same for all."""

    def __init__(self, client: Any, target: KinesisTarget, streams: Mapping[str, Sequence[TableName]] | None) -> None:
        """``streams``: by their names, the tables of each; None: it is not known which there should be."""
        self._client = client
        self._target = target
        self._streams = streams

    async def run(self, found: list[Finding]) -> None:
        """Look at all of it, and put what is found into ``found`` as it comes."""
        if not self._streams:
            found.append(
                note("streams", "which there should be is not known: no captured table was found for this sink")
            )
            return
        first = replace(self._target, stream=next(iter(self._streams)))
        await StreamExamination(self._client, first, load=None).run(found)
        found += await guarded("streams", self._others)

    async def _others(self) -> Sequence[Finding]:
        assert self._streams is not None
        names = list(self._streams)[1 : MOST_ASKED + 1]
        barred: list[Finding] = []
        for name in names:
            barred += await self._look(name)
            await anyio.sleep(PAUSE_SECONDS)
        more = len(self._streams) - 1 - len(names)
        return [
            *barred[:MOST_NAMED],
            *(
                [note("streams", f"{len(barred) - MOST_NAMED} more cannot be written to")]
                if len(barred) > MOST_NAMED
                else []
            ),
            *([note("streams", f"{more} more were not asked")] if more > 0 else []),
            ok("streams", f"{len(names) - len(barred)} of {len(names)} others can be written to"),
        ]

    async def _look(self, name: str) -> Sequence[Finding]:
        watch = KinesisWatch(self._client, name, is_ordered=self._target.ordering == "strict")
        try:
            await watch.look()
        except ForwarderError as error:
            return [of_error("streams", error)]
        return [of_sentence("streams", Verdict.FAILURE, watch.objection)] if watch.objection else []
