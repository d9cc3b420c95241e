"""The PBX's REST API as the service documents it: the two extension lists, the envelope, the errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from softphone.lab.directory import Directory, Extension, Tenant
from softphone.lab.events import EventLog
from softphone.lab.faults import ApiFault

MESSAGE_OK = "Action completed successfully"
MESSAGE_INVALID = "Model is not valid"
MAX_LIMIT = 5000
DEFAULT_LIMIT = 15
SORT_COLUMNS = ("extension", "effective_caller_id_number", "outbound_caller_id_name", "description")

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ApiError(Exception):
    """An error of the API, in its own envelope."""

    def __init__(self, status: int, message: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.fields = fields or {}

    def response(self) -> Response:
        """`{error: true, message, validationErrors}`."""
        body = {"error": True, "message": self.message, "validationErrors": self.fields}
        return json_response(body, self.status)


class RestApi:
    """The routes. `fault` makes the next answers wrong."""

    def __init__(self, directory: Directory, events: EventLog) -> None:
        self.fault: ApiFault | None = None
        self.cut: Callable[[tuple[str, int]], None] = _cannot_cut  # closes a client's connection; the server knows how
        self._directory = directory
        self._events = events
        self._closing = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/api/pbx/v1/extension/list", self._guard(self._list), methods=["GET"]),
                Route("/api/pbx/v1/extension/list_limited", self._guard(self._list_limited), methods=["GET"]),
            ],
            exception_handlers={HTTPException: _http_error},
        )

    def close(self) -> None:
        """Let slow answers go: the server is about to stop."""
        self._closing.set()

    def _guard(self, handler: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                response = await self._faulty(request) or handler(request)
            except ApiError as error:
                response = error.response()
            self._events.emit(
                "api_request",
                method=request.method,
                path=request.url.path,
                query=dict(request.query_params),
                status=response.status_code,
            )
            return response

        return guarded

    # the lists

    def _list(self, request: Request) -> Response:
        tenant, query = self._admitted(request)
        with_user = query.flag("with_user")
        rows = [_row(each, with_user=with_user) for each in self._select(tenant, query)]
        return _enveloped(self._paged(rows, query))

    def _list_limited(self, request: Request) -> Response:
        """The light variant. What it leaves out is not documented; here, everything that is secret."""
        tenant, query = self._admitted(request)
        rows = [_limited_row(each) for each in self._select(tenant, query)]
        return _enveloped(self._paged(rows, query))

    def _admitted(self, request: Request) -> tuple[Tenant, _Query]:
        """Check token, parameters and domain, in this order. Raises ApiError."""
        token = request.headers.get("x-api-token", "")
        if not self._directory.token_known(token):
            raise ApiError(401, "Token is missing" if not token else "Token is not valid")
        query = _Query(request.query_params)
        tenant = self._directory.by_uuid(query.domain_uuid)
        if tenant is None or tenant.uuid not in self._directory.token_domains(token):
            raise ApiError(403, "Token is not authorized for this domain")
        return tenant, query

    def _select(self, tenant: Tenant, query: _Query) -> list[Extension]:
        found = [each for each in tenant.extensions.values() if _matches(each, query.search)]
        return sorted(found, key=lambda each: _sort_key(each, query.sort), reverse=query.descending)

    def _paged(self, rows: list[dict[str, Any]], query: _Query) -> list[dict[str, Any]]:
        fault = self.fault
        if fault is not None and fault.kind in ("endless_pages", "repeated_page") and fault.use():
            return _full_page(rows, query, fresh=fault.kind == "endless_pages")
        start = (query.page - 1) * query.limit
        return rows[start : start + query.limit]

    # faults

    async def _faulty(self, request: Request) -> Response | None:
        fault = self.fault
        if fault is None or fault.kind in ("endless_pages", "repeated_page") or not fault.use():
            return None
        if fault.kind == "slow":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), fault.delay_s)
            return None
        if fault.kind == "drop":
            self.cut(_client_of(request))
            await asyncio.sleep(0)
        if fault.kind == "truncated":
            return _CutResponse(self.cut, _client_of(request))
        return _fault_response(fault)


class _Query:
    """The documented parameters, checked. Raises ApiError 422 with one text per field."""

    def __init__(self, parameters: MutableMapping[str, str] | Any) -> None:
        self._parameters = parameters
        self._errors: dict[str, str] = {}
        self.domain_uuid = self._uuid("domain_uuid")
        self.limit = self._number("limit", DEFAULT_LIMIT, MAX_LIMIT)
        self.page = self._number("page", 1, 1_000_000)
        self.search = parameters.get("filter[search_query]", "").lower()
        self.sort = self._choice("sort[0]", SORT_COLUMNS, "extension")
        self.descending = self._choice("sort[1]", ("ASC", "DESC"), "ASC") == "DESC"
        self._choice("with_user", ("0", "1"), "0")
        if self._errors:
            raise ApiError(422, MESSAGE_INVALID, self._errors)

    def flag(self, name: str) -> bool:
        """Whether a 1/0 parameter is 1."""
        return bool(self._parameters.get(name) == "1")

    def _uuid(self, name: str) -> str:
        text = str(self._parameters.get(name, ""))
        if not text:
            self._errors[name] = f"The {name} field is required."
            return ""
        try:
            valid = uuid.UUID(text).version == 4
        except ValueError:
            valid = False
        if not valid:
            self._errors[name] = f"The {name} field must be a valid UUID."
        return text

    def _number(self, name: str, default: int, highest: int) -> int:
        text = self._parameters.get(name)
        if text is None:
            return default
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
        if not 1 <= number <= highest:
            self._errors[name] = f"The {name} field must be between 1 and {highest}."
            return default
        return number

    def _choice(self, name: str, choices: Iterable[str], default: str) -> str:
        text = str(self._parameters.get(name, default))
        if text not in choices:
            self._errors[name] = f"The selected {name} is invalid."
        return text


def _row(extension: Extension, *, with_user: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "extension_uuid": extension.uuid,
        "domain_uuid": extension.domain_uuid,
        "extension": extension.number,
        "password": extension.password,
        "user_context": extension.domain,
        "enabled": "true" if extension.enabled else "false",
        "effective_caller_id_name": extension.name,
        "effective_caller_id_number": extension.number,
        "outbound_caller_id_name": extension.name,
        "outbound_caller_id_number": "",
        "description": extension.description,
    }
    if with_user:
        row["user"] = {"user_uuid": extension.user_uuid, "username": f"user{extension.number}"}
    return row


def _limited_row(extension: Extension) -> dict[str, Any]:
    return {
        "extension_uuid": extension.uuid,
        "extension": extension.number,
        "effective_caller_id_name": extension.name,
        "enabled": "true" if extension.enabled else "false",
    }


def _matches(extension: Extension, search: str) -> bool:
    return any(search in text.lower() for text in (extension.number, extension.name, extension.description))


def _sort_key(extension: Extension, column: str) -> str:
    if column == "description":
        return extension.description
    return extension.name if column == "outbound_caller_id_name" else extension.number


def _full_page(rows: list[dict[str, Any]], query: _Query, *, fresh: bool) -> list[dict[str, Any]]:
    """Exactly `limit` rows, so that nobody sees an end; `fresh` ones are new on every page."""
    first = query.page * query.limit if fresh else 0
    template = rows[0] if rows else {}
    page = []
    for n in range(query.limit):
        row = {**template, "extension": str(100_000 + first + n)}
        row["extension_uuid"] = str(uuid.uuid5(uuid.NAMESPACE_OID, row["extension"]))
        page.append(row)
    return page


def _enveloped(data: list[dict[str, Any]]) -> Response:
    return json_response({"data": data, "success": True, "message": MESSAGE_OK})


def json_response(body: Any, status: int = 200) -> Response:
    """JSON, compact."""
    return Response(json.dumps(body, separators=(",", ":")), status, media_type="application/json")


async def _http_error(_request: Request, error: Exception) -> Response:
    """404 and 405 in the API's own envelope."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "Internal error"
    return ApiError(status, detail).response()


WRONG_TYPES = {
    "data": [
        None,
        17,
        {"extension": ["901"], "password": None, "user_context": 5, "enabled": {"no": 1}, "extension_uuid": 3},
        {"extension": "", "password": "", "user_context": "", "enabled": "maybe"},
    ],
    "success": "perhaps",
    "message": 12,
}


class _CutResponse(Response):
    """The beginning of an answer, and then no more."""

    def __init__(self, cut: Callable[[tuple[str, int]], None], client: tuple[str, int]) -> None:
        super().__init__(b'{"data":[{"extension_uuid":"48b0d200-2b31', media_type="application/json")
        self._cut = cut
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        self._cut(self._client)
        await asyncio.sleep(0)  # the server has noticed when we return


def _cannot_cut(_client: tuple[str, int]) -> None:
    raise RuntimeError("the API is not served")


def _client_of(request: Request) -> tuple[str, int]:
    return (request.client.host, request.client.port) if request.client is not None else ("", 0)


def _fault_response(fault: ApiFault) -> Response:
    page = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
    if fault.kind == "html":
        return HTMLResponse(page, fault.status)
    if fault.kind == "wrong_types":
        return json_response(WRONG_TYPES)
    if fault.kind in ("empty", "drop"):
        return Response(b"", 200, media_type="application/json")
    return ApiError(fault.status, "The server cannot answer now").response()
