"""Values as TOML has them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# https://toml.io/en/v1.0.0#keys
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def text(value: str) -> str:
    """A string of TOML. What is none of Unicode becomes a question mark."""
    whole = value.encode(errors="replace").decode()
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def inline(value: Any) -> str:
    """A value on one line: a boolean, a number, a text, a path, and lists and mappings of these. None is nothing that TOML has."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | Path):
        return text(str(value))
    if isinstance(value, Mapping):
        members = ", ".join(f"{_key(name)} = {inline(member)}" for name, member in value.items())
        return f"{{ {members} }}" if members else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(inline, value))}]"
    return repr(value)


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else text(name)
