"""Settings as lines of a settings file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from forwarder.config.effective import Setting
from forwarder.config.toml_values import inline

# Where the comments begin; behind a longer line, two blanks after it.
_COMMENT_COLUMN = 44


def toml_lines(settings: Sequence[Setting]) -> Iterator[str]:
    """Each section with its settings, and behind each in a comment where it comes from. What is not given is a comment as a whole."""
    for place, ((section, number), members) in enumerate(
        groupby(settings, lambda setting: (setting.section, setting.number))
    ):
        if place:
            yield ""
        if section:
            yield f"[{section}]" if number is None else f"[[{section}]]"
        for setting in members:
            line = f"# {setting.field} =" if setting.value is None else f"{setting.field} = {inline(setting.value)}"
            yield f"{line:<{_COMMENT_COLUMN - 2}}  # {setting.source}"
