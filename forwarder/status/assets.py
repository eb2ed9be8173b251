"""The files of the dashboard, read once: its page is at ``/``, all else below ``/assets/``.

What is asked for is looked up among the names of these files and never opened, so no path leads out of their folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).with_name("dashboard")
PAGE = "index.html"
# Nothing from elsewhere, and nothing inline, so that no text on the page can become a program. A form is sent by nobody but the script: otherwise
# what is typed would stand in an address.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# Other files are no part of the page.
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file, and how it is served."""

    body: bytes
    content_type: str
    # Of its content, so that browsers ask whether theirs is the newest and are mostly told so in a few bytes.
    tag: str

    def answer(self, request: web.Request) -> web.Response:
        """The file, or that the client has it."""
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": PAGE_POLICY, "ETag": f'"{self.tag}"'}
        if any(etag.value in (self.tag, "*") for etag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=self.body, content_type=self.content_type, charset="utf-8", headers=headers)


def read_assets(folder: Path = FOLDER) -> Mapping[str, Asset]:
    """The files by their paths in the folder, such as ``charts/line.js``."""
    return {
        path.relative_to(folder).as_posix(): _asset(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES and path.is_file()
    }


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body=body, content_type=_TYPES[path.suffix], tag=sha256(body).hexdigest()[:16])
