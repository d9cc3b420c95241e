"""The phone's configuration for this lab. The phone's keys are named here and nowhere else in the lab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import yaml

from softphone.lab.addresses import in_uri

if TYPE_CHECKING:
    from softphone.lab.directory import Tenant
    from softphone.lab.lab import Lab

Transport = Literal["tls", "tcp", "udp", "wss"]


def agent_config(
    lab: Lab,
    tenant: Tenant,
    extensions: Sequence[str] | None,
    transport: Transport,
    account: Mapping[str, Any],
    *,
    live: bool = False,
) -> dict[str, Any]:
    """Provider and accounts as `config.example.yaml` documents them. None means: all enabled extensions."""
    numbers = [each.number for each in tenant.extensions.values() if each.enabled] if extensions is None else extensions
    port = lab.switch.endpoint.network.ports[transport]
    entry: dict[str, Any] = {
        "extensions": list(numbers),
        "transport": transport,
        "registrar": f"{in_uri(lab.options.host)}:{port}",
    }
    if transport in ("tls", "wss"):
        entry["tls"] = {"ca_file": str(lab.ca_file)}
    entry.update(account)
    provider: dict[str, Any] = {
        "api_url": lab.api_url,
        "billing_url": lab.api_url,
        "live_url": lab.api_url,
        "domain_uuid": tenant.uuid,
        "token": {"file": str(lab.secret_file(tenant, "api-token"))},
    }
    if live:
        provider["live"] = {
            "refresh_token": {"file": str(lab.secret_file(tenant, "refresh-token"))},
            "user_uuid": {"file": str(lab.secret_file(tenant, "user-uuid"))},
        }
    if lab.options.api_https:
        provider["ca_file"] = str(lab.ca_file)
    return {"provider": provider, "accounts": [entry]}


def to_yaml(config: Mapping[str, Any]) -> str:
    """YAML in the order of the keys."""
    return yaml.safe_dump(dict(config), sort_keys=False, default_flow_style=False)
