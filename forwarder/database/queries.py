"""Finds the SQL files, in a checkout and in an installed package alike."""

from functools import cache
from pathlib import Path

_PACKAGED = Path(__file__).parent / "sql"
SQL = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "sql"


@cache
def query(name: str) -> str:
    """The text of ``sql/queries/{name}.sql``."""
    return (SQL / "queries" / f"{name}.sql").read_text()
