"""Access tokens of the live service: obtained with the refresh token, verified, extended, revoked.

async with AuthApi.of(config.provider) as auth:
    access = await auth.acquire_access(["1001", "1002"])

The refresh token and what is made from it stay on the server side; no text of ours shows either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from softphone.config.provider import Live, Provider, is_live_extension
from softphone.config.secrets import Secret
from softphone.errors import ConfigError, ProviderDown, UsageError
from softphone.kavkom.booleans import parse_bool
from softphone.kavkom.envelope import Payload
from softphone.kavkom.fields import instant_of, plain
from softphone.kavkom.http import Endpoint, Retry, ServiceClient
from softphone.kavkom.models import wrap_secrets
from softphone.kavkom.services import AUTH

ACQUIRE_PATH = "/api/auth/acquire-access"
VERIFY_PATH = "/api/auth/verify-access"
REVOKE_ACCESS_PATH = "/api/auth/revoke-access"
REVOKE_REFRESH_PATH = "/api/auth/revoke-refresh"

SCOPE_CALLS = "calls"
DEFAULT_LIFE_S = 300.0
"""How long a token is taken to hold where the service does not say, or says that it was over before it began."""
_AGREE_S = 1.5
_FIELDS = frozenset(("token", "expiresAt", "valid"))


@dataclass(frozen=True)
class AccessToken:
    """`expires_at` is in the service's clock; `life_s`, seconds from the answer on, does not depend on ours."""

    token: Secret
    expires_at: datetime | None
    life_s: float
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Verdict:
    """What the service says of a token. `access` has its new end, or a new token where the service made one.

    `valid` is False only where the answer says so in its body; a refusal is TokenRefused.
    """

    valid: bool
    access: AccessToken | None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


class AuthApi(ServiceClient):
    """The token side of the live service. Use as an async context manager, or call `aclose`.

    All methods raise ProviderDown or ProviderRefused (TokenRefused where the refresh token is not accepted).
    """

    def __init__(self, endpoint: Endpoint, user_uuid: Secret, application: str = "softphone") -> None:
        """`endpoint` carries the refresh token, as a bearer."""
        super().__init__(endpoint)
        self._user_uuid = user_uuid
        self._application = application

    @classmethod
    def of(
        cls, provider: Provider, *, transport: httpx.AsyncBaseTransport | None = None, retry: Retry | None = None
    ) -> AuthApi:
        """The client for `provider.live` of a configuration. Raises ConfigError where there is none."""
        live = live_of(provider)
        endpoint = Endpoint.of(provider, provider.live_url, transport, retry)
        bearer = replace(endpoint, token=live.refresh_token, scheme="bearer", service=AUTH)
        return cls(bearer, live.user_uuid, live.application)

    async def acquire_access(self, extensions: Iterable[str | int], *, scope: str = SCOPE_CALLS) -> AccessToken:
        """A fresh access token for these extensions. Raises UsageError for extensions that are no plain numbers."""
        body = {
            "userUuid": self._user_uuid.reveal(),
            "extensions": [int(extension) for extension in live_extensions(extensions)],
            "scope": scope,
            "application": self._application,
        }
        payload = await self._http.post(ACQUIRE_PATH, body, secrets=(self._user_uuid,))
        access = _access(payload, self._http.where(ACQUIRE_PATH), None)
        if access is None:
            raise ProviderDown(f"{self._http.where(ACQUIRE_PATH)} answered without a token", service=AUTH.name)
        return access

    async def verify_access(self, token: Secret) -> Verdict:
        """Whether the token holds. The service may make it hold longer, or hand out another."""
        payload = await self._http.post(VERIFY_PATH, {"token": token.reveal()}, secrets=(token,))
        where = self._http.where(VERIFY_PATH)
        fields = _object(payload, where)
        try:
            valid = parse_bool(fields["valid"]) if fields.get("valid") is not None else True
        except ValueError:
            raise ProviderDown(f"{where} answered with a `valid` that is no boolean", service=AUTH.name) from None
        access = _access(payload, where, token) if valid and fields.get("expiresAt") is not None else None
        return Verdict(valid, access, _extra(fields))

    async def revoke_access(self, token: Secret) -> None:
        """Ends an access token. Doing it twice does no harm."""
        await self._http.post(REVOKE_ACCESS_PATH, {"token": token.reveal()}, secrets=(token,))

    async def revoke_refresh(self) -> None:
        """Ends the refresh token itself: nothing can be acquired with it any more."""
        await self._http.post(REVOKE_REFRESH_PATH, {})


def live_of(provider: Provider) -> Live:
    """`provider.live`; raises ConfigError that says what is needed where it is missing."""
    if provider.live is None:
        text = "is needed for live events and their tokens: `refresh_token` and `user_uuid`"
        raise ConfigError(text, key="provider.live")
    return provider.live


def live_extensions(extensions: Iterable[str | int]) -> tuple[str, ...]:
    """Extensions as the live service takes them, each once. Raises UsageError for none, and for what is no number."""
    texts = tuple(dict.fromkeys(str(extension) for extension in extensions))
    for text in texts:
        if not is_live_extension(text):
            wanted = "the live service knows extensions as plain numbers such as 1001 only"
            raise UsageError(f"extension {text[:60]!r} cannot be followed: {wanted}")
    if not texts:
        raise UsageError("no extension to follow was named")
    return texts


def _access(payload: Payload, where: str, same: Secret | None) -> AccessToken | None:
    """The token in an answer; `same` stands in where the answer names none."""
    fields = _object(payload, where)
    value = fields.get("token")
    if value is not None and (not isinstance(value, str) or not value.isascii() or not value.isprintable()):
        raise ProviderDown(f"{where} answered with a token that is no plain text", service=AUTH.name)
    token = Secret(value, "the live service") if value else same
    if token is None:
        return None
    try:
        expires_at = instant_of(fields.get("expiresAt"))
    except ValueError:
        raise ProviderDown(f"{where} answered with an `expiresAt` that is no date", service=AUTH.name) from None
    return AccessToken(token, expires_at, _life_s(expires_at, payload.date), _extra(fields))


def _life_s(expires_at: datetime | None, date: str) -> float:
    """Seconds that are left, by the service's own clock where it tells the time."""
    if expires_at is None:
        return DEFAULT_LIFE_S
    life_s = (expires_at - _now(date)).total_seconds()
    return life_s if life_s > 0 else DEFAULT_LIFE_S


def _now(header: str) -> datetime:
    """The service's time. Its Date header has whole seconds: our clock is finer where the two agree."""
    ours = datetime.now(UTC)
    try:
        date = parsedate_to_datetime(header)
        theirs = date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return ours
    return ours if abs((ours - theirs).total_seconds() - 0.5) <= _AGREE_S else theirs + timedelta(seconds=1)


def _object(payload: Payload, where: str) -> Mapping[str, Any]:
    """The answer's fields, whether bare or in an envelope."""
    fields = payload.data if isinstance(payload.data, dict) else payload.raw
    return {plain(str(name)): value for name, value in fields.items()}


def _extra(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    rest = wrap_secrets({name: value for name, value in fields.items() if name not in _FIELDS})
    return rest if isinstance(rest, dict) else {}
