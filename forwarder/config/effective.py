"""Which settings hold, and where each comes from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from forwarder.config.reader import PREFIX, TABLE_MAPPINGS, Given
from forwarder.config.section import Section
from forwarder.config.settings import DEFAULT_SINK, Settings, SinkSettings

DEFAULT = "default"
SINK = f"{PREFIX}SINK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting, its value, and who has set it."""

    # "" of what stands above all sections. Of a list of tables: table and sink.
    section: str
    # Its place in such a list; None: the section is no list.
    number: int | None = None
    field: str
    # None: not given, and there is no default. A secret is a ``SecretStr``.
    value: Any
    # The path of the file, the name of a variable, or ``DEFAULT``.
    source: str

    @property
    def name(self) -> str:
        """``listen.page_rows``, ``sink[0].url``, ``table_mappings``."""
        place = "" if self.number is None else f"[{self.number}]"
        return f"{self.section}{place}.{self.field}" if self.section else self.field


def effective(settings: Settings, given: Given) -> Iterator[Setting]:
    """Every setting of each section, and of each ``[[table]]`` those that it sets, as it has them: what it leaves out, others may set.

    ``settings`` are those that ``given`` means.
    """
    path = str(given.path)
    if settings.table_mappings:
        source = TABLE_MAPPINGS if "table_mappings" in given.environment else path
        yield Setting(section="", field="table_mappings", value=settings.table_mappings, source=source)
    for section in Settings.model_fields:
        held = getattr(settings, section)
        if section == "sink":
            yield from _sinks(settings.sink, given)
        elif section == "table":
            for number, rule in enumerate(settings.table):
                values = rule.model_dump(exclude_unset=True)
                for field in given.file["table"][number]:
                    yield Setting(section=section, number=number, field=field, value=values[field], source=path)
        elif isinstance(held, Section):
            for field in type(held).model_fields:
                source = _source(section, field, given)
                yield Setting(section=section, field=field, value=getattr(held, field), source=source)


def _source(section: str, field: str, given: Given) -> str:
    if field in given.environment.get(section, {}):
        return f"{PREFIX}{section}_{field}".upper()
    return str(given.path) if field in given.file.get(section, {}) else DEFAULT


def _sinks(sinks: list[SinkSettings], given: Given) -> Iterator[Setting]:
    in_file: Mapping[str, Mapping[str, Any]] = {
        sink.get("name", DEFAULT_SINK): sink for sink in given.file.get("sink", []) if isinstance(sink, Mapping)
    }
    for number, sink in enumerate(sinks):
        of_file = in_file.get(sink.name, {})
        for field in SinkSettings.model_fields:
            if "sink" in given.environment and (field == "url" or (field == "name" and sink.name not in in_file)):
                source = SINK
            else:
                source = str(given.path) if field in of_file else DEFAULT
            yield Setting(section="sink", number=number, field=field, value=getattr(sink, field), source=source)
