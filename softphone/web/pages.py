"""The page's files: read once, sent from memory, asked for again by their mark (ETag)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One file."""

    content: bytes
    media_type: str
    etag: str

    def response(self, request: Request) -> Response:
        headers = {"ETag": self.etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type=self.media_type)


def read_pages() -> dict[str, Page]:
    """By path: `/app.js`; the page itself is `/`. Blocks for some milliseconds."""
    pages = {}
    for file in (resources.files("softphone.web") / "static").iterdir():
        if (ending := file.name.rpartition(".")[2]) in TYPES:
            content = file.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            pages["/" if file.name == "index.html" else f"/{file.name}"] = Page(content, TYPES[ending], etag)
    return pages
