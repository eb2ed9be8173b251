"""What ``forwarder dead-letters show`` prints of a letter: all that is known of it, but for columns that an object mapping keeps out of records."""

from __future__ import annotations

from forwarder.config import sink_url
from forwarder.config.formats import Dms
from forwarder.config.settings import Settings
from forwarder.config.table_mappings.file import load_mappings
from forwarder.database.sessions import Connection
from forwarder.json_members import members, written
from forwarder.records.excluded_columns import names_of_excluded
from forwarder.store import dead_letters as store
from forwarder.store.dead_letters import Letter

_IMAGES = ("before", "after", "moved_to", "moved_from")


class ShownLetters:
    """Reads letters of the sinks that the settings name."""

    def __init__(self, settings: Settings) -> None:
        """Read the mapping file, if there is one.

        Raises:
            Misconfigured: it cannot be read, or says what cannot be done; or a sink's URL is malformed.
        """
        self._mappings = load_mappings(settings.table_mappings)
        # Records of other formats have these columns. A sink that is not in the settings may have had any.
        self._unconcerned = {
            sink.name for sink in settings.sink if not isinstance(sink_url.parse(sink.url).format, Dms)
        }

    async def text(self, connection: Connection, letter: Letter) -> str:
        """The letter as a JSON object; ``null`` if it is gone.

        Raises:
            Unavailable: the database does not answer.
        """
        text = await store.read(connection, letter)
        mapping = self._mappings and self._mappings.object_mapping(letter.schema, letter.name)
        is_of_row = letter.op in "IUDRE" and (letter.schema, letter.name) != ("forwarder", "event")
        if not mapping or not mapping.exclude or letter.sink in self._unconcerned or not is_of_row:
            return text
        excluded = names_of_excluded(await store.columns(connection, letter), mapping.exclude)
        found = members(text)
        shown = {name: _without(excluded, found[name]) for name in _IMAGES if found.get(name, "null") != "null"}
        return written(found | shown) if shown else text


def _without(names: frozenset[str], image: str) -> str:
    return written({name: value for name, value in members(image).items() if name not in names})
