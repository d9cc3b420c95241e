"""Answers in the shapes that the service documents, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from softphone.config import Secret
from softphone.kavkom import Endpoint, PbxApi, Retry

DOMAIN_UUID = "ddcfeb62-110f-4bd7-b7a9-965e1a78295f"
TOKEN = "tok-3e1f-hunter2"
PASSWORD = "aB3xY9zK"

Handler = Callable[[httpx.Request], httpx.Response]


def record(extension: str | int = "901", **fields: Any) -> dict[str, Any]:
    """One record of the extension list, as the documentation shows it."""
    return {
        "extension_uuid": f"uuid-{extension}",
        "domain_uuid": DOMAIN_UUID,
        "extension": extension,
        "password": PASSWORD,
        "user_context": "client.kavkom.com",
        "enabled": "true",
        **fields,
    }


def page(records: list[Any]) -> dict[str, Any]:
    """A good answer of the PBX."""
    return {"data": records, "success": True, "message": "Action completed successfully"}


def reply(body: object, status: int = 200, content_type: str = "application/json") -> httpx.Response:
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return httpx.Response(status, content=content, headers={"content-type": content_type})


def listing(records: list[Any]) -> Handler:
    """A PBX that pages through `records` as asked."""

    def answer(request: httpx.Request) -> httpx.Response:
        limit, number = int(request.url.params["limit"]), int(request.url.params["page"])
        return reply(page(records[(number - 1) * limit : number * limit]))

    return answer


def pbx(handler: Handler, **options: Any) -> PbxApi:
    """A client whose network is `handler`; it does not wait between tries."""
    endpoint = Endpoint(
        base_url="https://api.kavkom.com",
        token=Secret(TOKEN),
        retry=Retry(attempts=3, first_s=0.0),
        transport=httpx.MockTransport(handler),
        max_body_bytes=options.pop("max_body_bytes", 1024 * 1024),
    )
    return PbxApi(endpoint, DOMAIN_UUID, **options)
