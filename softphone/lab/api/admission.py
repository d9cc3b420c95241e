"""Who may ask what: the API token, its routes and its domains."""

from __future__ import annotations

from starlette.requests import Request

from softphone.lab.api.answers import ApiError
from softphone.lab.directory import ApiToken, Directory, Tenant

# What a token can be allowed to do
ROUTES = (
    "order/line",
    "order/did",
    "order/didlist",
    "extension/list",
    "extension/list_limited",
    "active_call/call",
    "active_call/kill",
)


class Admission:
    """Checks tokens and domains."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def token(self, request: Request) -> ApiToken:
        """The caller's token. Raises ApiError 401."""
        token = request.headers.get("x-api-token", "")
        found = self._directory.token(token)
        if found is None:
            raise ApiError(401, "Token is not valid" if token else "Token is missing")
        return found

    def tenant(self, token: ApiToken, route: str, domain_uuid: str) -> Tenant:
        """The tenant that the request is about. Raises ApiError 403 for foreign routes and domains."""
        if token.routes is not None and route not in token.routes:
            raise ApiError(403, "Token is not authorized for this route")
        tenant = self._directory.by_uuid(domain_uuid)
        if tenant is None or tenant.uuid not in token.domains:
            raise ApiError(403, "Token is not authorized for this domain")
        return tenant
