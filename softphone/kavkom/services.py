"""The parts of the service, by the names that errors give them, and what to check when one of them says no."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """`url_key` is the configuration key of its address; `token_advice` is what helps when its token is refused."""

    name: str
    url_key: str
    token_advice: str


_API_TOKEN = (
    "check that provider.token is complete and not revoked, that it is authorised for this route,"
    " and that provider.domain_uuid is one of its domains"
)
_LIVE_TOKEN = (
    "check that provider.live.refresh_token is complete and not revoked, and that provider.live.user_uuid is its user"
)

PBX = Service("pbx", "provider.api_url", _API_TOKEN)
BILLING = Service("billing", "provider.billing_url", _API_TOKEN)
AUTH = Service("auth", "provider.live_url", _LIVE_TOKEN)
LIVE = Service("live", "provider.live_url", _LIVE_TOKEN)
