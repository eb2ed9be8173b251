"""The JSON Schema of the settings file."""

from __future__ import annotations

from typing import Any

from forwarder.config.settings import Settings

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema, in the dialect of 2020-12."""
    return {"$schema": _DIALECT, **Settings.model_json_schema(), "title": "Settings of forwarder"}
