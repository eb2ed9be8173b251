"""What comments, docstrings and pages name is there: modules, classes and files are renamed more often than the words about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "forwarder"
QUERIES = ROOT / "sql" / "queries"

ROOMS = sorted(path.parent for path in PACKAGE.rglob("*/__init__.py"))
SOURCES = sorted([*PACKAGE.rglob("*.py"), *QUERIES.rglob("*.sql")])
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Where a page may mean a file to be.
PLACES = (ROOT, PACKAGE, ROOT / "sql" / "migrations", *QUERIES.iterdir())

# A line of a room's docstring: "* ``Name``, ``Other`` in ``module``: what they are".
_LISTED = re.compile(r"^\* (?P<names>``\w+``(?:, ``\w+``)*) in ``(?P<module>[\w.]+)``", re.MULTILINE)
# A class by its whole path, such as forwarder.outbox.ring.Leaf. What has none in capitals may be an object of the schema.
_CLASS = re.compile(r"\bforwarder(?:\.[a-z_]+)+\.[A-Z]\w+")
# In backquotes, as in `outbox/pages.py`, `0012_floors.sql` or `drain.sql`.
_FILE = re.compile(r"`([\w./-]+\.(?:py|sql))`")


def listed() -> Iterator[tuple[str, str]]:
    """Module and name of whatever a room lists."""
    for room in ROOMS:
        path = ".".join(room.relative_to(ROOT).parts)
        for line in _LISTED.finditer((room / "__init__.py").read_text()):
            for name in re.findall(r"``(\w+)``", line["names"]):
                yield f"{path}.{line['module']}", name


def classes() -> set[str]:
    """All that are named by their whole paths."""
    return {name for path in SOURCES for name in _CLASS.findall(path.read_text())}


@pytest.mark.parametrize(("module", "name"), list(listed()))
def test_what_a_room_lists_is_in_its_module(module: str, name: str) -> None:
    assert hasattr(import_module(module), name)


@pytest.mark.parametrize("path", sorted(classes()))
def test_a_class_that_is_named_by_its_path_is_there(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert hasattr(import_module(module), name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = _FILE.findall(page.read_text())
    assert [name for name in named if not any((place / name).exists() for place in PLACES)] == []
