"""The PBX API: the two extension lists, click-to-call and kill."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from softphone.errors import Conflict, NotFound, UsageError
from softphone.lab.api.admission import Admission
from softphone.lab.api.answers import ApiError, done, enveloped
from softphone.lab.api.fields import Fields, json_body
from softphone.lab.api.guard import PAGE_KINDS, Guard
from softphone.lab.calls import CallRecord
from softphone.lab.directory import Extension, Tenant

MAX_LIMIT = 5000
DEFAULT_LIMIT = 15
SORT_COLUMNS = ("extension", "effective_caller_id_number", "outbound_caller_id_name", "description")
BASE = "/api/pbx/v1"


class CallControl(Protocol):
    """What the API needs of the switch."""

    calls: dict[str, CallRecord]

    def click_to_call(
        self,
        tenant: Tenant,
        src: str,
        destination: str,
        *,
        auto_answer: bool = False,
        ignore_early: bool = False,
        src_cid_number: str = "",
    ) -> CallRecord:
        """Ring `src`, then bridge it. Raises NotFound, Conflict, UsageError."""

    def kill(self, call_uuid: str) -> CallRecord:
        """Hang up. Raises NotFound."""


class PbxApi:
    """The routes under /api/pbx/v1. `switch` is asked for when a call is wanted: it starts after the API is made."""

    def __init__(self, admission: Admission, guard: Guard, switch: Callable[[], CallControl]) -> None:
        self._admission = admission
        self._guard = guard
        self._switch = switch

    def routes(self) -> list[Route]:
        """To be served."""
        wrap = self._guard.wrap
        return [
            Route(f"{BASE}/extension/list", wrap("pbx", self._list), methods=["GET"]),
            Route(f"{BASE}/extension/list_limited", wrap("pbx", self._list_limited), methods=["GET"]),
            Route(f"{BASE}/active_call/call", wrap("pbx", self._call), methods=["POST"]),
            Route(f"{BASE}/active_call/kill", wrap("pbx", self._kill), methods=["POST"]),
        ]

    # the lists

    async def _list(self, request: Request) -> Response:
        tenant, query = self._asked(request, "extension/list")
        rows = [_row(each, with_user=query.with_user) for each in _select(tenant, query)]
        return enveloped(self._paged(rows, query))

    async def _list_limited(self, request: Request) -> Response:
        """The light variant. What it leaves out is not documented; here, everything that is secret."""
        tenant, query = self._asked(request, "extension/list_limited")
        rows = [_limited_row(each) for each in _select(tenant, query)]
        return enveloped(self._paged(rows, query))

    def _asked(self, request: Request, route: str) -> tuple[Tenant, _Query]:
        """Check token, parameters and domain, in this order. Raises ApiError."""
        token = self._admission.token(request)
        query = _Query(request.query_params)
        return self._admission.tenant(token, route, query.domain_uuid), query

    def _paged(self, rows: list[dict[str, Any]], query: _Query) -> list[dict[str, Any]]:
        fault = self._guard.faults.strikes("pbx", PAGE_KINDS)
        if fault is not None:
            return _full_page(rows, query, fresh=fault.kind == "endless_pages")
        start = (query.page - 1) * query.limit
        return rows[start : start + query.limit]

    # calls

    async def _call(self, request: Request) -> Response:
        token = self._admission.token(request)
        fields = Fields(await json_body(request))
        domain_uuid = fields.uuid4("domain_uuid")
        src = fields.text("src", required=True)
        destination = fields.text("destination", required=True)
        options = {name: fields.flag(name) for name in ("auto_answer", "ignore_early")}
        src_cid_number = fields.text("src_cid_number", longest=64)
        fields.check()
        tenant = self._admission.tenant(token, "active_call/call", domain_uuid)
        if src not in tenant.extensions:
            raise ApiError(422, "src invalid")
        try:
            record = self._switch().click_to_call(tenant, src, destination, src_cid_number=src_cid_number, **options)
        except Conflict as error:
            raise ApiError(422, "-ERR USER_NOT_REGISTERED") from error
        except NotFound as error:
            raise ApiError(422, "-ERR NO_ROUTE_DESTINATION") from error
        except UsageError as error:
            raise ApiError(422, "-ERR INVALID_NUMBER_FORMAT") from error
        return done(call_uuid=record.uuid, recording="+OK")

    async def _kill(self, request: Request) -> Response:
        token = self._admission.token(request)
        fields = Fields(await json_body(request))
        domain_uuid = fields.uuid4("domain_uuid")
        call_uuid = fields.text("call_uuid", required=True)
        fields.check()
        tenant = self._admission.tenant(token, "active_call/kill", domain_uuid)
        record = self._switch().calls.get(call_uuid)
        if record is None or record.domain != tenant.domain or record.state == "finished":
            raise ApiError(422, "-ERR No such channel!")
        self._switch().kill(record.uuid)
        return done()


class _Query(Fields):
    """The documented parameters of the lists, checked. Raises ApiError 422 with one text per field."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self.domain_uuid = self.uuid4("domain_uuid")
        self.limit = self.number("limit", DEFAULT_LIMIT, MAX_LIMIT)
        self.page = self.number("page", 1, 1_000_000)
        self.search = parameters.get("filter[search_query]", "").lower()
        self.sort = self.choice("sort[0]", SORT_COLUMNS, "extension")
        self.descending = self.choice("sort[1]", ("ASC", "DESC"), "ASC") == "DESC"
        self.with_user = self.choice("with_user", ("0", "1"), "0") == "1"
        self.check()


def _select(tenant: Tenant, query: _Query) -> list[Extension]:
    found = [each for each in tenant.extensions.values() if _matches(each, query.search)]
    return sorted(found, key=lambda each: _sort_key(each, query.sort), reverse=query.descending)


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
