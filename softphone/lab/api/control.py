"""The lab's own API, /lab/v1: everything a test does to the lab in Python, for tests in any language.

It has no password: whoever reaches the port owns the lab. Errors are problem documents (RFC 9457).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from softphone import __version__
from softphone.errors import Conflict, NotFound, UsageError
from softphone.lab.api import views
from softphone.lab.api.admission import ROUTES
from softphone.lab.api.answers import ApiError, json_response
from softphone.lab.api.control_fields import ControlFields, fault_from, webhook_from
from softphone.lab.api.fields import json_body
from softphone.lab.api.guard import Handler, by_method
from softphone.lab.api.stream import EventStreams
from softphone.lab.directory import Tenant, random_token
from softphone.lab.events import NAMES
from softphone.lab.faults import KINDS_OF
from softphone.lab.service_options import TenantOptions

if TYPE_CHECKING:
    from softphone.lab.lab import Lab

BASE = "/lab/v1"
MAX_EVENTS = 1000
SHOWN_CALLS = 100
NUMBER = re.compile(r"[0-9A-Za-z*#+._-]{1,32}")


class ControlApi:
    """The routes under /lab/v1."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.streams = EventStreams(lab.events)
        self._actions: Mapping[str, Callable[[], Any]] = {
            "forget-registrations": lab.forget_registrations,
            "expire-nonces": lab.expire_nonces,
            "drop-connections": lab.drop_connections,
            "silence-connections": lab.silence_connections,
            "freeze": lab.freeze,
            "thaw": lab.thaw,
            "expire-tokens": lab.expire_tokens,
            "drop-live": lab.drop_live,
        }

    def routes(self) -> list[Route]:
        """To be served."""
        one, extension = "/tenants/{domain}", "/tenants/{domain}/extensions/{number}"
        table: list[tuple[str, dict[str, Handler]]] = [
            ("", {"GET": self._about}),
            ("/state", {"GET": self._state}),
            ("/numbers", {"GET": self._numbers}),
            ("/tenants", {"GET": self._tenants, "POST": self._add_tenant}),
            (one, {"GET": self._tenant, "DELETE": self._remove_tenant}),
            (one + "/tokens", {"POST": self._add_token}),
            (one + "/extensions", {"GET": self._extensions, "POST": self._add_extension}),
            (extension, {"GET": self._extension, "PATCH": self._change_extension, "DELETE": self._remove_extension}),
            (one + "/webhook", {"PUT": self._set_webhook, "DELETE": self._remove_webhook}),
            (one + "/webhook/test", {"POST": self._test_webhook}),
            (one + "/webhook/deliveries", {"GET": self._deliveries}),
            ("/registrations", {"GET": self._registrations}),
            ("/calls", {"GET": self._calls, "POST": self._originate}),
            ("/calls/{uuid}", {"GET": self._call, "DELETE": self._kill}),
            ("/orders", {"GET": self._orders}),
            ("/orders/{id:int}/accept", {"POST": self._accept}),
            ("/events", {"GET": self._events}),
            ("/events/stream", {"GET": self._stream}),
            ("/faults", {"GET": self._faults, "POST": self._add_fault, "DELETE": self._clear_faults}),
            ("/faults/kinds", {"GET": self._kinds}),
            ("/faults/{id:int}", {"DELETE": self._remove_fault}),
            ("/actions/{action}", {"POST": self._act}),
        ]
        return [
            by_method(BASE + path, {method: _problems(handler) for method, handler in handlers.items()})
            for path, handlers in table
        ]

    # the whole

    async def _about(self, _request: Request) -> Response:
        lab = self._lab
        return json_response(
            {
                "version": __version__,
                "start_s": round(lab.start_s, 3),
                "seed": lab.faults.seed,
                "api_url": lab.api_url,
                "live_url": lab.live_url,
                "sip": self._ports(),
                "first_tenant": lab.domain,
                "events": list(NAMES),
            }
        )

    def _ports(self) -> dict[str, Any]:
        network = self._lab.switch.endpoint.network
        return {"host": self._lab.options.host, **{name: port for name, port in network.ports.items() if port}}

    async def _state(self, _request: Request) -> Response:
        """What the web page shows. The events that follow `sequence` are what changed since."""
        lab = self._lab
        calls = lab.calls
        live = [each for each in calls if each.state != "finished"]
        over = [each for each in calls[-SHOWN_CALLS:] if each.state == "finished"]
        return json_response(
            {
                "sequence": lab.events.position,
                "tenants": [
                    views.tenant_view(tenant) | {"extensions": self._extension_views(tenant)}
                    for tenant in lab.directory
                ],
                "registrations": [views.registration_view(each) for each in lab.registrations()],
                "calls": [views.call_view(each) for each in live[-SHOWN_CALLS:] + over],
                "calls_total": len(calls),
                "calls_live": len(live),
                "live_connections": len(lab.service.live.connections),
                "pending": [views.did_view(each) for each in lab.service.orders.dids if each.accepted_at is None],
                "faults": [views.fault_view(each) for each in lab.faults.all()],
            }
        )

    async def _numbers(self, _request: Request) -> Response:
        plan = self._lab.switch.plan.values()
        return json_response(
            [{"number": each.number, "name": each.name, "description": each.description} for each in plan]
        )

    # tenants

    def _of(self, request: Request) -> Tenant:
        return self._lab.directory.tenant(request.path_params["domain"])

    async def _tenants(self, _request: Request) -> Response:
        return json_response([views.tenant_view(each) for each in self._lab.directory])

    async def _tenant(self, request: Request) -> Response:
        return json_response(views.tenant_view(self._of(request)))

    async def _add_tenant(self, request: Request) -> Response:
        fields = ControlFields(await json_body(request))
        domain = fields.text("domain", required=True)
        extensions = fields.numbers("extensions")
        domain_uuid = fields.optional_uuid("domain_uuid")
        api_token, refresh_token = fields.text("api_token"), fields.text("refresh_token")
        fields.check()
        if len(set(extensions)) < len(extensions):
            raise UsageError("an extension is named twice")
        options = TenantOptions(
            domain,
            uuid=domain_uuid,
            extensions=tuple(extensions),
            api_token=api_token,
            refresh_token=refresh_token,
        )
        return json_response(views.tenant_view(self._lab.add_tenant(options)), 201)

    async def _remove_tenant(self, request: Request) -> Response:
        self._lab.remove_tenant(request.path_params["domain"])
        return Response(status_code=204)

    async def _add_token(self, request: Request) -> Response:
        """One more API token, for some routes only."""
        tenant = self._of(request)
        fields = ControlFields(await json_body(request))
        routes = fields.words("routes", ROUTES)
        fields.check()
        token = random_token()
        self._lab.directory.allow(token, tenant, routes)
        return json_response(
            {"api_token": token, "domain": tenant.domain, "routes": list(ROUTES if routes is None else routes)}, 201
        )

    # extensions

    def _registered(self, tenant: Tenant, number: str) -> int:
        return len(self._lab.switch.endpoint.registrar.lookup(tenant.get(number)))

    def _extension_views(self, tenant: Tenant) -> list[dict[str, Any]]:
        return [
            views.extension_view(each, self._registered(tenant, each.number)) for each in tenant.extensions.values()
        ]

    def _extension_view(self, tenant: Tenant, number: str) -> dict[str, Any]:
        return views.extension_view(tenant.get(number), self._registered(tenant, number))

    async def _extensions(self, request: Request) -> Response:
        return json_response(self._extension_views(self._of(request)))

    async def _extension(self, request: Request) -> Response:
        return json_response(self._extension_view(self._of(request), request.path_params["number"]))

    async def _add_extension(self, request: Request) -> Response:
        tenant = self._of(request)
        fields = ControlFields(await json_body(request))
        number = fields.text("extension", required=True, longest=32)
        password = fields.text("password")
        fields.check()
        if not NUMBER.fullmatch(number):
            raise UsageError(f"{number!r} is no extension: letters, digits and *#+._- only")
        tenant.add(number, password=password)
        return json_response(self._extension_view(tenant, number), 201)

    async def _change_extension(self, request: Request) -> Response:
        tenant, number = self._of(request), request.path_params["number"]
        body = await json_body(request)
        fields = ControlFields(body)
        password, enabled = fields.text("password"), fields.flag("enabled", default=True)
        fields.check()
        extension = tenant.get(number)
        extension.password = password or extension.password
        if "enabled" in body:
            self._lab.switch_extension(extension, enabled=enabled)
        return json_response(self._extension_view(tenant, number))

    async def _remove_extension(self, request: Request) -> Response:
        self._lab.delete_extension(self._of(request).get(request.path_params["number"]))
        return Response(status_code=204)

    # webhooks

    async def _set_webhook(self, request: Request) -> Response:
        tenant = self._of(request)
        tenant.webhook = webhook_from(await json_body(request))
        return json_response(views.webhook_view(tenant.webhook))

    async def _remove_webhook(self, request: Request) -> Response:
        self._of(request).webhook = None
        return Response(status_code=204)

    async def _test_webhook(self, request: Request) -> Response:
        tenant = self._of(request)
        if tenant.webhook is None:
            raise Conflict(f"{tenant.domain} has no webhook")
        return json_response(views.delivery_view(await self._lab.service.webhooks.test(tenant)))

    async def _deliveries(self, request: Request) -> Response:
        domain = self._of(request).domain
        deliveries = self._lab.service.webhooks.deliveries
        return json_response([views.delivery_view(each) for each in deliveries if each.domain == domain])

    # registrations, calls, orders

    async def _registrations(self, _request: Request) -> Response:
        return json_response([views.registration_view(each) for each in self._lab.registrations()])

    async def _calls(self, request: Request) -> Response:
        state = request.query_params.get("state")
        if state not in (None, "ringing", "active", "held", "finished"):
            raise UsageError("state is ringing, active, held or finished")
        return json_response([views.call_view(each) for each in self._lab.calls if state in (None, each.state)])

    async def _call(self, request: Request) -> Response:
        record = self._lab.switch.calls.get(request.path_params["uuid"])
        if record is None:
            raise NotFound("no such call")
        return json_response(views.call_view(record))

    async def _originate(self, request: Request) -> Response:
        """`from` and `to`: click-to-call. `to` and `service`: the PBX itself calls, from whatever `caller` says."""
        fields = ControlFields(await json_body(request))
        domain = fields.text("domain", default=self._lab.domain)
        source, target = fields.text("from"), fields.text("to", required=True)
        service, caller = fields.text("service", default="9196"), fields.text("caller", longest=64)
        auto_answer = fields.flag("auto_answer")
        fields.check()
        tenant, switch = self._lab.directory.tenant(domain), self._lab.switch
        if source:
            record = switch.click_to_call(tenant, source, target, auto_answer=auto_answer, src_cid_number=caller)
        else:
            record = switch.originate(tenant.get(target), service, caller=caller)
        return json_response(views.call_view(record), 201)

    async def _kill(self, request: Request) -> Response:
        return json_response(views.call_view(self._lab.switch.kill(request.path_params["uuid"])))

    async def _orders(self, _request: Request) -> Response:
        orders = self._lab.service.orders
        return json_response(
            {
                "lines": [views.line_view(each) for each in orders.lines],
                "dids": [views.did_view(each) for each in orders.dids],
            }
        )

    async def _accept(self, request: Request) -> Response:
        return json_response(views.did_view(self._lab.accept_did(request.path_params["id"])))

    # events

    async def _events(self, request: Request) -> Response:
        fields = ControlFields(request.query_params)
        since = fields.number("since", 0, 999_999_999, lowest=0)
        limit = fields.number("limit", MAX_EVENTS, MAX_EVENTS)
        name = fields.text("name")
        fields.check()
        found = [each for each in self._lab.events if each.sequence > since and name in ("", each.name)]
        # since: what follows it, from the oldest on; without it: the newest
        found = found[:limit] if since else found[-limit:]
        return json_response({"sequence": self._lab.events.position, "events": _plain(found)})

    async def _stream(self, request: Request) -> Response:
        last = request.headers.get("last-event-id") or request.query_params.get("since", "")
        since = int(last) if last.isascii() and last.isdecimal() and len(last) < 10 else self._lab.events.position
        return self.streams.response(since)

    # faults

    async def _faults(self, _request: Request) -> Response:
        return json_response([views.fault_view(each) for each in self._lab.faults.all()])

    async def _kinds(self, _request: Request) -> Response:
        return json_response(KINDS_OF)

    async def _add_fault(self, request: Request) -> Response:
        part, kind, more = fault_from(await json_body(request))
        return json_response(views.fault_view(self._lab.fault(part, kind, **more)), 201)

    async def _clear_faults(self, _request: Request) -> Response:
        self._lab.faults.clear()
        return Response(status_code=204)

    async def _remove_fault(self, request: Request) -> Response:
        self._lab.faults.remove(request.path_params["id"])
        return Response(status_code=204)

    async def _act(self, request: Request) -> Response:
        action = self._actions.get(request.path_params["action"])
        if action is None:
            raise NotFound(f"no such action; there are {', '.join(self._actions)}")
        count = action()
        return json_response(
            {"done": request.path_params["action"], "count": count if isinstance(count, int) else None}
        )


def _plain(events: list[Any]) -> list[dict[str, Any]]:
    return [views.event_view(each) for each in events]


def _problems(handler: Handler) -> Handler:
    """Errors as problem documents."""

    async def guarded(request: Request) -> Response:
        if not _same_origin(request):
            return problem(403, "a page from elsewhere may not drive the lab")
        try:
            return await handler(request)
        except ApiError as error:
            detail = "; ".join(error.fields.values()) or error.message
            return problem(error.status, detail)
        except NotFound as error:
            return problem(404, str(error))
        except Conflict as error:
            return problem(409, str(error))
        except UsageError as error:
            return problem(422, str(error))

    return guarded


def _same_origin(request: Request) -> bool:
    """Browsers name the page that asks; other programs name none. The lab has no password, but no page from the web
    may freeze it either.
    """
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


TITLES = {
    400: "Bad request",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
}


def problem(status: int, detail: str) -> Response:
    """RFC 9457."""
    body = {"type": "about:blank", "title": TITLES.get(status, "Not acceptable"), "status": status, "detail": detail}
    response = json_response(body, status)
    response.headers["content-type"] = "application/problem+json"
    return response
