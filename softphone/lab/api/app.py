"""Everything the lab serves over HTTP, as one application on one port: the paths tell the services apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from softphone.lab.api.admission import Admission
from softphone.lab.api.answers import ApiError, Envelope
from softphone.lab.api.auth import AuthApi
from softphone.lab.api.billing import PATH as BILLING_PATH
from softphone.lab.api.billing import BillingApi
from softphone.lab.api.control import BASE as CONTROL
from softphone.lab.api.control import problem
from softphone.lab.api.guard import Guard
from softphone.lab.api.live import LiveHub
from softphone.lab.api.pbx import CallControl, PbxApi
from softphone.lab.calls import CallRecord
from softphone.lab.directory import Directory
from softphone.lab.events import EventLog
from softphone.lab.faults import FaultPlan
from softphone.lab.feed import CallFeed
from softphone.lab.orders import OrderBook
from softphone.lab.service_options import ServiceOptions
from softphone.lab.tokens import TokenStore
from softphone.lab.webhooks import WebhookSender


class Service:
    """The service's parts, and what they share. `switch` is asked for when a call is wanted."""

    def __init__(
        self,
        options: ServiceOptions,
        directory: Directory,
        events: EventLog,
        faults: FaultPlan,
        switch: Callable[[], CallControl],
    ) -> None:
        def find(call_uuid: str) -> CallRecord | None:
            return switch().calls.get(call_uuid)

        admission = Admission(directory)
        self.tokens = TokenStore(directory, options.access_ttl_s)
        self.orders = OrderBook(options, events)
        self.guard = Guard(faults, events, always_ok=options.error_status == "ok")
        self.feed = CallFeed(events, find)
        self.live = LiveHub(self.tokens, faults, self.feed, events, options)
        self.webhooks = WebhookSender(directory, faults, self.feed, events, options)
        self._always_ok = options.error_status == "ok"
        billing = BillingApi(admission, self.guard, self.orders, options)
        pbx = PbxApi(admission, self.guard, switch)
        auth = AuthApi(self.guard, self.tokens, verify_extends=options.verify_extends)
        self.routes: list[BaseRoute] = [*billing.routes(), *pbx.routes(), *auth.routes(), *self.live.routes()]

    def application(self, routes: Sequence[BaseRoute]) -> Starlette:
        """What a server serves: these routes, and errors in their envelopes."""
        return Starlette(routes=routes, exception_handlers={HTTPException: self._http_error})

    def connect(self, cut: Callable[[tuple[str, int]], None]) -> None:
        """Learn how a client's connection is closed at once."""
        self.guard.cut = cut
        self.live.cut = cut

    def release(self) -> None:
        """Let slow answers go: the server is about to stop."""
        self.guard.close()

    async def close(self) -> None:
        """End what the service does by itself."""
        self.orders.close()
        self.feed.close()
        await self.live.close()
        await self.webhooks.close()

    async def _http_error(self, request: Request, error: Exception) -> Response:
        """404 and 405 in the envelope of the part that was asked."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = error.detail if isinstance(error, HTTPException) else "Internal error"
        envelope: Envelope = "billing" if request.url.path == BILLING_PATH else "pbx"
        if request.url.path.startswith(CONTROL):
            response = problem(status, detail)
        else:
            response = ApiError(status, detail).response(envelope, always_ok=self._always_ok)
        response.headers.update(getattr(error, "headers", None) or {})
        return response
