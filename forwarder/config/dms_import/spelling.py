"""Reads values of settings in any spelling: JSON_UNFORMATTED of DMS's guide, json-unformatted of its command line, true or "Y". Pure."""

from __future__ import annotations

from typing import Any

_TRUE = ("true", "y", "yes", "1")


def word(value: Any) -> str:
    """A value of a list as options of a sink's URL have it: ``PK_ONLY`` is ``pk-only``."""
    return str(value).strip().lower().replace("_", "-")


def is_true(value: Any) -> bool:
    """Whether a switch is on, be it a boolean of JSON or a text."""
    return word(value) in _TRUE
