"""The auth API: access tokens for the WebSocket, from a refresh token."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from softphone.lab.api.answers import INVALID_TOKEN, ApiError, done, json_response
from softphone.lab.api.fields import Fields, json_body
from softphone.lab.api.guard import Guard
from softphone.lab.directory import Tenant
from softphone.lab.tokens import SCOPE, AccessToken, TokenStore

BASE = "/api/auth"
MAX_EXTENSIONS = 5000


class AuthApi:
    """Acquire, verify, revoke."""

    def __init__(self, guard: Guard, tokens: TokenStore, *, verify_extends: bool) -> None:
        self._guard = guard
        self._tokens = tokens
        self._verify_extends = verify_extends

    def routes(self) -> list[Route]:
        """To be served."""
        handlers = {
            "acquire-access": self._acquire,
            "verify-access": self._verify,
            "revoke-access": self._revoke_access,
            "revoke-refresh": self._revoke_refresh,
        }
        return [
            Route(f"{BASE}/{name}", self._guard.wrap("auth", handler), methods=["POST"])
            for name, handler in handlers.items()
        ]

    async def _acquire(self, request: Request) -> Response:
        refresh_token, tenant = self._refresh(request)
        body = await json_body(request)
        fields = Fields(body)
        user_uuid = fields.text("userUuid", required=True)
        fields.choice("scope", (SCOPE,), "")
        application = fields.text("application", required=True)
        extensions = _extensions(body.get("extensions"), fields)
        fields.check()
        _check_rights(tenant, user_uuid, extensions)
        return _token(self._tokens.issue(tenant, refresh_token, user_uuid, extensions, application))

    async def _verify(self, request: Request) -> Response:
        """The documents leave the body open: `token` names the access token, or it is the bearer itself.

        `extend` false asks for no more than whether it is valid.
        """
        fields = Fields(await _optional_body(request))
        extend = fields.flag("extend", default=True)
        access = self._access(request, fields)
        if extend and self._verify_extends:
            self._tokens.extend(access)
        return _token(access)

    async def _revoke_access(self, request: Request) -> Response:
        access = self._access(request, Fields(await _optional_body(request)))
        self._tokens.revoke_access(access.token)
        return done()

    async def _revoke_refresh(self, request: Request) -> Response:
        refresh_token, _ = self._refresh(request)
        self._tokens.revoke_refresh(refresh_token)
        return done()

    def _refresh(self, request: Request) -> tuple[str, Tenant]:
        token = _bearer(request)
        tenant = self._tokens.tenant_of(token)
        if tenant is None:
            raise ApiError(401, INVALID_TOKEN)
        return token, tenant

    def _access(self, request: Request, fields: Fields) -> AccessToken:
        """The access token meant. One that is named in the body needs a bearer of the same tenant. Raises ApiError."""
        bearer = _bearer(request)
        named = fields.text("token", longest=4096)
        fields.check()
        access = self._tokens.access(named or bearer)
        if access is None:
            raise ApiError(401, INVALID_TOKEN)
        if named and bearer != named:
            tenant = self._tokens.tenant_of(bearer)
            if tenant is None or tenant.domain != access.domain:
                raise ApiError(401, INVALID_TOKEN)
        return access


def _check_rights(tenant: Tenant, user_uuid: str, extensions: list[str]) -> None:
    if user_uuid.lower() not in tenant.users():
        raise ApiError(403, "User is not authorized for this domain")
    unknown = [each for each in extensions if each not in tenant.extensions]
    if unknown:
        raise ApiError(403, f"Extension {unknown[0]} is not authorized")


def _extensions(value: Any, fields: Fields) -> list[str]:
    """Whole numbers; what else stands there is told of."""
    wanted = value if isinstance(value, list) else []
    if not wanted:
        fields.errors["extensions"] = "The extensions field is required."
    elif len(wanted) > MAX_EXTENSIONS:
        fields.errors["extensions"] = f"The extensions field must not have more than {MAX_EXTENSIONS} items."
    elif not all(isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 10**15 for each in wanted):
        fields.errors["extensions"] = "The extensions field must be a list of integers."
    return [] if "extensions" in fields.errors else [str(each) for each in wanted]


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _optional_body(request: Request) -> dict[str, Any]:
    """The JSON object, or nothing where the client sent no body."""
    if request.headers.get("content-length", "") in ("", "0") and "transfer-encoding" not in request.headers:
        return {}
    return await json_body(request)


def _token(access: AccessToken) -> Response:
    return json_response({"token": access.token, "expiresAt": access.expires_iso})
