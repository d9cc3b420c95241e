"""The hosted PBX's service as a library: async, typed, errors that say who failed.

    async with PbxApi.of(config.provider) as pbx:       # extensions; calls: start and hang up
        listed = await pbx.extensions()
    async with BillingApi.of(config.provider) as billing:   # orders: sent once, whatever breaks
        orders = await billing.did_orders()
    async with LiveCalls.of(config.provider, ["1001"]) as live:   # what the PBX says of calls, as it happens
        async for item in live: ...
    event = parse_webhook(body)                          # what it posts to a webhook

Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softphone.kavkom.auth import AccessToken, AuthApi, Verdict
    from softphone.kavkom.billing import BillingApi
    from softphone.kavkom.http import Endpoint, Retry
    from softphone.kavkom.live import LiveCalls, LiveOptions
    from softphone.kavkom.live_items import (
        CallState,
        Confirmed,
        Connected,
        Gap,
        LiveItem,
        Reported,
        Trouble,
        Unreadable,
    )
    from softphone.kavkom.models import Extension, ExtensionList
    from softphone.kavkom.orders import DidOrder, DidOrderRecord, DidOrders, LineOrder
    from softphone.kavkom.pbx import PbxApi, Progress
    from softphone.kavkom.select import Fetched, Selection, Skipped, fetch, resolve, searches
    from softphone.kavkom.started import Killed, StartedCall
    from softphone.kavkom.tokens import AccessTokens
    from softphone.kavkom.webhook import WebhookEvent, WebhookMapping, parse_webhook

_MODULES = {
    "auth": ("AccessToken", "AuthApi", "Verdict"),
    "billing": ("BillingApi",),
    "http": ("Endpoint", "Retry"),
    "live": ("LiveCalls", "LiveOptions"),
    "live_items": (
        "CallState",
        "Confirmed",
        "Connected",
        "Gap",
        "LiveItem",
        "Reported",
        "Trouble",
        "Unreadable",
    ),
    "models": ("Extension", "ExtensionList"),
    "orders": ("DidOrder", "DidOrderRecord", "DidOrders", "LineOrder"),
    "pbx": ("PbxApi", "Progress"),
    "select": ("Fetched", "Selection", "Skipped", "fetch", "resolve", "searches"),
    "started": ("Killed", "StartedCall"),
    "tokens": ("AccessTokens",),
    "webhook": ("WebhookEvent", "WebhookMapping", "parse_webhook"),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AccessToken",
    "AccessTokens",
    "AuthApi",
    "BillingApi",
    "CallState",
    "Confirmed",
    "Connected",
    "DidOrder",
    "DidOrderRecord",
    "DidOrders",
    "Endpoint",
    "Extension",
    "ExtensionList",
    "Fetched",
    "Gap",
    "Killed",
    "LineOrder",
    "LiveCalls",
    "LiveItem",
    "LiveOptions",
    "PbxApi",
    "Progress",
    "Reported",
    "Retry",
    "Selection",
    "Skipped",
    "StartedCall",
    "Trouble",
    "Unreadable",
    "Verdict",
    "WebhookEvent",
    "WebhookMapping",
    "fetch",
    "parse_webhook",
    "resolve",
    "searches",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
