"""The file of passwords that libpq reads: https://www.postgresql.org/docs/18/libpq-pgpass.html"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Up to a colon that has no backslash before it.
_FIELD = r"((?:\\.|[^:\\]|\\$)*)"
_LINE = re.compile(":".join([_FIELD] * 5))
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passfile:
    """What is in a file of passwords."""

    # Host, port, database, role and password of each line, as they are written.
    lines: Sequence[tuple[str, ...]] = field(default=(), repr=False)
    # Why the file is ignored, and the remedy; None: it is not.
    complaint: str | None = None

    def password(self, *, host: str, port: int, dbname: str, user: str) -> str | None:
        """The password of the first line that is for this; None: no line is. An empty host is a socket of this machine."""
        # libpq takes its own folder of sockets for localhost.
        hosts = {host, "localhost"} if host.startswith("/") else {host or "localhost"}
        wanted = (hosts, {str(port)}, {dbname}, {user})
        for *fields, password in self.lines:
            if all(given == "*" or _plain(given) in values for given, values in zip(fields, wanted, strict=True)):
                return _plain(password)
        return None


def passfile_path(named: str | None, environment: Mapping[str, str]) -> Path | None:
    """Where it is. ``named``: what the URL or PGPASSFILE says."""
    if named:
        return Path(named)
    home = environment.get("HOME")
    return Path(home) / ".pgpass" if home else None


def read_passfile(path: Path) -> Passfile:
    """Read it. One that is not there, or is not ours to read, holds nothing, as to libpq."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return Passfile(complaint=f"{path} is ignored, since it is no plain file")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            return Passfile(complaint=f"{path} is ignored, since others than its owner may use it: chmod 600 {path}")
        return Passfile(lines=tuple(_lines(path.read_text().splitlines())))
    except OSError:
        return Passfile()
    except UnicodeDecodeError:
        return Passfile(complaint=f"{path} is ignored, since it is no UTF-8")


def _lines(texts: Iterable[str]) -> Iterable[tuple[str, ...]]:
    for text in texts:
        if not text.startswith("#") and (found := _LINE.match(text)):
            yield found.groups()


def _plain(field: str) -> str:
    return _ESCAPED.sub(r"\1", field)
