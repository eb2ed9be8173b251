"""The functions of schema ``forwarder`` as the migrations define them, and how one that was found differs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

# The statements as our migrations write them: each clause begins a line.
_STATEMENT = re.compile(
    r"^DROP FUNCTION (?:IF EXISTS )?forwarder\.(?P<dropped>\w+)\("
    r"|^CREATE (?:OR REPLACE )?FUNCTION (?P<rest>forwarder\.(?P<name>\w+)\((?P<head>.*?)"
    r"^AS \$(?P<tag>\w*)\$(?P<body>.*?)\$(?P=tag)\$;)",
    re.MULTILINE | re.DOTALL,
)
_SETTING = re.compile(r"^SET (\w+) = (.+)$", re.MULTILINE)
# The text of these holds a setting, which other functions of ours replace: its digits may differ.
_KEEPS_A_SETTING = ("paused_tables", "max_image_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """All that decides what a function does."""

    language: str
    volatility: str
    is_definer: bool
    is_strict: bool
    # As "name=value", the name in lower case.
    settings: frozenset[str]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """How a function is defined by ``version``, the last migration that defines it.

    ``sql`` defines it again, whether it is there or not. Its owner and rights stay as they are.
    """

    name: str
    version: int
    function: Function
    sql: str

    def differences(self, found: Function | None) -> tuple[str, ...]:
        """Sentences about what is wrong with the function that was found; none if it is as defined."""
        if found is None:
            return ("it was missing",)
        wanted = self.function
        checks = {
            "it ran with the caller's rights": wanted.is_definer and not found.is_definer,
            "it ran with its owner's rights": found.is_definer and not wanted.is_definer,
            "its settings were altered": found.settings != wanted.settings,
            "its text was altered": (found.language, self._fixed(found.body))
            != (wanted.language, self._fixed(wanted.body)),
            "its attributes were altered": (found.volatility, found.is_strict) != (wanted.volatility, wanted.is_strict),
        }
        return tuple(reason for reason, applies in checks.items() if applies)

    def _fixed(self, body: str) -> str:
        return re.sub(r"[\d,]+", "", body) if self.name in _KEEPS_A_SETTING else body


@dataclass(frozen=True, slots=True, kw_only=True)
class Redefine:
    """Define a function of ours again as it should be. ``sql`` is for one transaction, and locks no table."""

    table: str
    reasons: tuple[str, ...]
    sql: str


def definitions(migrations: Mapping[int, str]) -> dict[str, Definition]:
    """The functions that are there after these migrations, by version, in the order in which they can be defined."""
    found: dict[str, Definition] = {}
    for version, text in sorted(migrations.items()):
        for name, definition in _statements(version, text):
            # Taken out first, so that it goes to the end: what replaces a function may call functions that were defined after the first one.
            found.pop(name, None)
            if definition:
                found[name] = definition
    return found


@cache
def _statements(version: int, text: str) -> Sequence[tuple[str, Definition | None]]:
    """The functions that one migration defines, or drops: then there is no definition. No text changes while we run."""
    return [
        (match["dropped"], None) if match["dropped"] else (match["name"], _definition(version, match))
        for match in _STATEMENT.finditer(text)
    ]


def _definition(version: int, match: re.Match[str]) -> Definition:
    head = match["head"]
    volatile = re.search(r"\b(VOLATILE|STABLE|IMMUTABLE)\b", head)
    language = re.search(r"\bLANGUAGE (\w+)", head)
    assert language is not None
    function = Function(
        language=language[1],
        volatility=volatile[1] if volatile else "VOLATILE",
        is_definer="SECURITY DEFINER" in head,
        is_strict=" STRICT" in head,
        settings=frozenset(_setting(name, value) for name, value in _SETTING.findall(head)),
        body=match["body"],
    )
    return Definition(
        name=match["name"], version=version, function=function, sql=f"CREATE OR REPLACE FUNCTION {match['rest']}"
    )


def _setting(name: str, value: str) -> str:
    """As PostgreSQL keeps it: SET lock_timeout = '10ms' is ``lock_timeout=10ms``."""
    unquoted = value.strip().strip("'")
    return f"{name.lower()}={unquoted}"
