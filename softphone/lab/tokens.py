"""Refresh tokens and the short-lived access tokens that are made from them."""

from __future__ import annotations

import datetime
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from softphone.lab.directory import Directory, Tenant

SCOPE = "calls"


@dataclass
class AccessToken:
    """What a WebSocket may be opened with. `expires_at` is seconds since the epoch."""

    token: str = field(repr=False)
    domain: str
    user_uuid: str
    extensions: frozenset[str]
    scope: str
    application: str
    expires_at: float
    refresh_token: str = field(repr=False)

    @property
    def remaining_s(self) -> float:
        """Seconds until it expires; negative afterwards."""
        return self.expires_at - time.time()

    @property
    def expires_iso(self) -> str:
        """The same as an ISO date in UTC, in milliseconds as JavaScript writes it."""
        moment = datetime.datetime.fromtimestamp(self.expires_at, datetime.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TokenStore:
    """All access tokens that live, and the refresh tokens that were revoked."""

    def __init__(self, directory: Directory, ttl_s: float) -> None:
        self.ttl_s = ttl_s
        self._directory = directory
        self._access: dict[str, AccessToken] = {}
        self._revoked: set[str] = set()

    def tenant_of(self, refresh_token: str) -> Tenant | None:
        """Whose refresh token this is; None for unknown and revoked ones."""
        if not refresh_token or refresh_token in self._revoked:
            return None
        return next((each for each in self._directory if each.refresh_token == refresh_token), None)

    def issue(
        self, tenant: Tenant, refresh_token: str, user_uuid: str, extensions: Iterable[str], application: str
    ) -> AccessToken:
        """A new access token."""
        self._forget_expired()
        access = AccessToken(
            token=secrets.token_urlsafe(32),
            domain=tenant.domain,
            user_uuid=user_uuid,
            extensions=frozenset(extensions),
            scope=SCOPE,
            application=application,
            expires_at=time.time() + self.ttl_s,
            refresh_token=refresh_token,
        )
        self._access[access.token] = access
        return access

    def access(self, token: str) -> AccessToken | None:
        """A token that may be used now."""
        found = self._access.get(token)
        return found if found is not None and found.remaining_s > 0 else None

    def extend(self, access: AccessToken) -> None:
        """Let it live for another full time."""
        access.expires_at = time.time() + self.ttl_s

    def revoke_access(self, token: str) -> None:
        """End an access token."""
        self._access.pop(token, None)

    def revoke_refresh(self, refresh_token: str) -> None:
        """End a refresh token, and every access token that was made from it."""
        self._revoked.add(refresh_token)
        for access in [each for each in self._access.values() if each.refresh_token == refresh_token]:
            del self._access[access.token]

    def restore_refresh(self, refresh_token: str) -> None:
        """Take a refresh token's revocation back."""
        self._revoked.discard(refresh_token)

    def expire_all(self) -> int:
        """Let every access token expire now; returns how many did."""
        count = len(self._access)
        self._access.clear()
        return count

    def _forget_expired(self) -> None:
        for token in [each.token for each in self._access.values() if each.remaining_s <= 0]:
            del self._access[token]
