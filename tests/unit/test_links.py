"""Every link in the documentation leads to a file, and to a heading in it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.packaging import ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench" / "README.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    plain = (re.sub(r"[^\w\- ]", "", heading).lower() for heading in HEADING.findall(page.read_text()))
    return {heading.replace(" ", "-") for heading in plain}


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere; those to other sites are not looked at."""
    found = []
    for link in LINK.findall(page.read_text()):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in headings(target)):
            found.append(f"{page.relative_to(ROOT)}: {link}")
    return found


def test_no_link_leads_nowhere() -> None:
    assert [link for page in PAGES for link in broken(page)] == []
