"""Reads a mapping file from the disk."""

from __future__ import annotations

from pathlib import Path

from forwarder.config.table_mappings.table_mappings import TableMappings, read
from forwarder.errors import Misconfigured

# A file of ten thousand rules has some three megabytes.
_MAX_BYTES = 64 << 20


def read_text(path: Path) -> str:
    """The text of a JSON file.

    Raises:
        Misconfigured: there is none, or it is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise Misconfigured(f"{path} has more than {_MAX_BYTES >> 20} MiB; is it the right file?")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is not in UTF-8: byte {error.start + 1} is none of it; save it as UTF-8") from None


def load_mappings(path: Path | None) -> TableMappings | None:
    """The mappings of a file; None if no file is named.

    Raises:
        Misconfigured: it cannot be read, or says what cannot be done.
    """
    return None if path is None else read(read_text(path), source=path.name)
