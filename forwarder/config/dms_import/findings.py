"""What became of each setting of DMS. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Values that may be secret, or code.
_HIDDEN = {"Password", "AfterConnectScript"}
_MAX_CHARACTERS = 60


@dataclass(slots=True)
class Findings:
    """Lines of comments, one for each setting: ``became`` says what it is now, ``lacking`` what nothing here does, and what to do."""

    became: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)

    def is_now(self, name: str, value: Any, what: str) -> None:
        """A setting that lives on, or needs nothing."""
        self.became.append(f"{name} = {shown(name, value)}: {what}")

    def decide(self, what: str) -> None:
        """What DMS does without a setting, and what stands for it here."""
        self.became.append(what)

    def is_lacking(self, name: str, value: Any, remedy: str) -> None:
        """A setting without a counterpart."""
        self.lacking.append(f"{name} = {shown(name, value)}: {remedy}")

    def lack(self, what: str) -> None:
        """What DMS does without a setting, and nothing here does by itself."""
        self.lacking.append(what)

    def explain(
        self, settings: Mapping[str, Any], became: Mapping[str, str], lacking: Mapping[str, str], *, group: str = ""
    ) -> None:
        """A line for each of these settings, by what is known of it. What is not known is lacking."""
        for name, value in settings.items():
            if value in (None, "", [], {}):
                continue
            if name in became:
                self.is_now(group + name, value, became[name])
            else:
                self.is_lacking(
                    group + name,
                    value,
                    lacking.get(name, "import-dms does not know it; see what it does in the guide of DMS"),
                )


def shown(name: str, value: Any) -> str:
    """A value on one line."""
    if name.rpartition(".")[2] in _HIDDEN:
        return "…"
    text = str(value).lower() if isinstance(value, bool) else " ".join(str(value).split())
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"
