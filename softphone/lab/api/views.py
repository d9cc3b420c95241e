"""What the lab's own control API says of tenants, extensions, calls, orders, events and faults."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from softphone.lab.calls import CallRecord
from softphone.lab.directory import Extension, Tenant
from softphone.lab.events import LabEvent
from softphone.lab.faults import Fault
from softphone.lab.orders import DidOrder, LineOrder
from softphone.lab.service_options import WebhookOptions
from softphone.lab.sip.registrar import Binding
from softphone.lab.webhooks import Delivery


def extension_view(extension: Extension, registered: int) -> dict[str, Any]:
    """`registered`: how many phones."""
    return {
        "extension": extension.number,
        "domain": extension.domain,
        "name": extension.name,
        "description": extension.description,
        "password": extension.password,
        "enabled": extension.enabled,
        "extension_uuid": extension.uuid,
        "user_uuid": extension.user_uuid,
        "registered": registered,
    }


def tenant_view(tenant: Tenant) -> dict[str, Any]:
    """Everything that a client of this tenant must know."""
    return {
        "domain": tenant.domain,
        "domain_uuid": tenant.uuid,
        "api_token": tenant.api_token,
        "refresh_token": tenant.refresh_token,
        "user_uuid": tenant.user_uuid,
        "extensions": len(tenant.extensions),
        "dids": dict(tenant.dids),
        "webhook": webhook_view(tenant.webhook) if tenant.webhook is not None else None,
    }


def webhook_view(webhook: WebhookOptions) -> dict[str, Any]:
    """Header values may be secrets of the receiver: only their names are shown."""
    return {
        "url": webhook.url,
        "headers": sorted(webhook.headers),
        "variables": dict(webhook.variables),
        "calls": list(webhook.calls),
        "mapping": dict(webhook.mapping),
        "attempts": webhook.attempts,
        "retry_s": webhook.retry_s,
    }


def registration_view(binding: Binding) -> dict[str, Any]:
    """Where an extension can be reached."""
    return {
        "extension": binding.extension.number,
        "domain": binding.extension.domain,
        "contact": binding.contact,
        "transport": binding.flow.transport,
        "source": f"{binding.source[0]}:{binding.source[1]}",
        "expires_s": binding.remaining_s,
        "user_agent": binding.user_agent,
    }


def call_view(record: CallRecord) -> dict[str, Any]:
    """One call; times are seconds since the epoch."""
    return {
        "uuid": record.uuid,
        "domain": record.domain,
        "origin": record.origin,
        "caller": record.caller,
        "callee": record.callee,
        "state": record.state,
        "parties": [asdict(party) for party in record.parties],
        "sip_call_ids": list(record.sip_call_ids),
        "started_at": record.started_at,
        "answered_at": record.answered_at,
        "ended_at": record.ended_at,
        "talk_s": round(record.talk_s, 3),
        "cause": record.cause,
        "code": record.code,
        "ended_by": record.ended_by,
    }


def event_view(event: LabEvent) -> dict[str, Any]:
    """One event of the lab."""
    return {"sequence": event.sequence, "name": event.name, "at": event.at, "data": event.data}


def fault_view(fault: Fault) -> dict[str, Any]:
    """One fault that is set."""
    return {
        "id": fault.id,
        "part": fault.part,
        "kind": fault.kind,
        "status": fault.status,
        "delay_s": fault.delay_s,
        "times": fault.times,
        "probability": fault.probability,
        "path": fault.path,
        "struck": fault.struck,
    }


def line_view(order: LineOrder) -> dict[str, Any]:
    """An order of lines."""
    return {
        "invoiceid": order.invoice_id,
        "order_number": order.order_number,
        "domain": order.domain,
        "options": dict(order.options),
        "ordered_at": order.ordered_at,
        "extensions": list(order.extensions),
    }


def did_view(order: DidOrder) -> dict[str, Any]:
    """An order of a number."""
    return {
        "id": order.id,
        "domain": order.domain,
        "country": order.country,
        "location": order.location,
        "extension": order.extension,
        "description": order.description,
        "number": order.number or None,
        "ordered_at": order.ordered_at,
        "accepted_at": order.accepted_at,
    }


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    """One attempt to deliver a webhook; `status` 0 where no answer came."""
    return asdict(delivery)
