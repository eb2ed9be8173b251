"""The extra connection attributes of an endpoint: ``messageFormat=json-unformatted;includeNullAndEmpty=true``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def attributes(endpoint: Mapping[str, Any], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each with its value: under the name that it has in ``known``, whatever its case, or else as it is spelled."""
    names = {name.lower(): name for name in known}
    for pair in str(endpoint.get("ExtraConnectionAttributes") or "").split(";"):
        name, _, value = pair.partition("=")
        if name.strip():
            yield names.get(name.strip().lower(), name.strip()), value.strip()
