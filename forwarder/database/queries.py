"""Finds the SQL files, in a checkout and in an installed package alike."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
SQL = _PACKAGE / "sql" if (_PACKAGE / "sql").is_dir() else _PACKAGE.parent / "sql"


@cache
def query(name: str) -> str:
    """The text of ``{name}.sql``, in whichever folder of ``sql/queries/`` it is. No two files have one name."""
    return _files()[name].read_text()


@cache
def _files() -> Mapping[str, Path]:
    return {path.stem: path for path in (SQL / "queries").glob("*/*.sql")}
