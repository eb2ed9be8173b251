"""What the records of a sink would say of rows as the table has them now: an image is encoded in the sink's format, and read as a consumer reads it.

So whatever a format loses or writes otherwise, it does so on both sides, and rows that are the same are so in their records. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from forwarder.config.formats import Dms, Format
from forwarder.config.sink_url import Framing, SinkUrl
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.consumer import Change, decode
from forwarder.errors import Refused
from forwarder.events import CapturedTable, Event
from forwarder.outbox.keys import key_reader, member_reader
from forwarder.records import object_mapping, partition_key
from forwarder.records.formats.catalogue import RecordFormat, record_format, renamed
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origins
from forwarder.records.renames import Renames
from forwarder.verify.content import Digester, Told
from forwarder.verify.reading import Reading
from forwarder.verify.subject import Subject

_INSERT = b"I"


def has_null_for_absent(format: Format) -> bool:
    """Whether a row in this format has no member for a column that is null."""
    return isinstance(format, Dms) and not format.IncludeNullAndEmpty


class Encoding:
    """What a table's rows are in the records of a sink."""

    def __init__(
        self,
        table: CapturedTable,
        subject: Subject,
        sink_url: SinkUrl,
        *,
        mappings: TableMappings | None,
        origins: Origins,
    ) -> None:
        names = mappings.names(table.schema, table.name) if mappings else None
        name_of = names.column if names else str
        self._table = table
        self._encode = _record_format(sink_url, mappings, origins).encode
        self._read_key = key_reader(table)
        self.reading = Reading(
            [tuple(map(name_of, names)) for names in table.key_columns],
            Digester(
                filled=tuple(map(name_of, subject.columns)) if has_null_for_absent(sink_url.format) else (),
            ),
        )

    def told(self, images: Sequence[str]) -> list[Told]:
        """What records with these images say.

        Raises:
            Refused: the records of this sink do not tell the key.
        """
        found = [self.reading.told(change) for change in self._changes(images)]
        told = [row for row in found if row is not None]
        if len(told) < len(images):
            raise Refused(
                f"the records of this sink do not have the rows of {self._table.qualified_name} with their keys, by which they could be compared;"
                " see its options and table mappings"
            )
        return told

    def sample(self) -> Change:
        """A change of the table without a row, as its records tell it: what they call the table, and whether they have a ``seq``."""
        [change] = self._changes(["{}"])
        return change

    def _changes(self, images: Sequence[str]) -> list[Change]:
        return [change for data in self._encode(list(map(self._event, images))) for change in decode(data)]

    def _event(self, image: str) -> Event:
        key, key_values = self._read_key(image) or (None, None)
        return Event(1, 1, 0, self._table, None, _INSERT, None, image, None, 1, 1, key, key_values)


def _record_format(sink_url: SinkUrl, mappings: TableMappings | None, origins: Origins) -> RecordFormat:
    """As ``forwarder.listen.record_maker`` has it, but without compression."""
    rule = sink_url.partition_key
    choose_key = partition_key.chooser(rule, reader_of=member_reader)
    provenance = Provenance(origins=origins, database="", region="", key_rule=rule, choose_key=choose_key)
    if mappings is None:
        return record_format(sink_url.format, Framing(), provenance)
    renames = Renames(mappings)
    choose_key = object_mapping.chooser(renames.object_mapping, choose_key, own_keys=choose_key)
    provenance = replace(provenance, object_mapping=renames.object_mapping, choose_key=choose_key)
    return renamed(record_format(sink_url.format, Framing(), provenance), renames)
