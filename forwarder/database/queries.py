"""Finds the SQL files, in a checkout and in an installed package alike."""

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
SQL = _PACKAGE / "sql" if (_PACKAGE / "sql").is_dir() else _PACKAGE.parent / "sql"


@cache
def query(name: str) -> str:
    """The text of ``sql/queries/{name}.sql``."""
    return (SQL / "queries" / f"{name}.sql").read_text()
