"""The lab's web page and its OpenAPI documents: files that are packaged beside this one."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from softphone import __version__
from softphone.lab.api.answers import json_response

_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
# Nothing from elsewhere: the page works without a network, and nothing can be smuggled into it
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


def page_routes() -> list[Route]:
    """To be served."""
    return [
        Route("/", _file("index.html")),
        Route("/lab/page.js", _file("page.js")),
        Route("/lab/page.css", _file("page.css")),
        Route("/openapi.json", _document("service.yaml")),
        Route("/lab/v1/openapi.json", _document("lab.yaml")),
    ]


def _file(name: str) -> Any:
    async def serve(_request: Request) -> Response:
        media_type = _TYPES[name.rpartition(".")[2]]
        return Response(_read("page", name), media_type=media_type, headers=_HEADERS)

    return serve


def _document(name: str) -> Any:
    async def serve(_request: Request) -> Response:
        return json_response(document(name))

    return serve


def document(name: str) -> dict[str, Any]:
    """An OpenAPI document: service.yaml (what the service documents) or lab.yaml (/lab/v1)."""
    loaded: dict[str, Any] = yaml.safe_load(_read("openapi", name))
    loaded["info"]["version"] = __version__
    return loaded


def _read(folder: str, name: str) -> bytes:
    return (resources.files("softphone.lab") / folder / name).read_bytes()
