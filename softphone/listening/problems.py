"""Problem documents (RFC 9457), and the kinds that every listener knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from softphone.errors import Conflict, NotFound, SipError, SoftphoneError, UsageError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:softphone:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of problem: the last part of its type URI, its title and its HTTP status."""

    name: str
    title: str
    status: int


BAD_REQUEST = Kind("bad-request", "The request makes no sense as it stands", 400)
NOT_FOUND = Kind("not-found", "No such thing", 404)
METHOD = Kind("method-not-allowed", "Another method is needed here", 405)
LATE = Kind("request-timeout", "The request did not arrive in time", 408)
CONFLICT = Kind("conflict", "Not possible in the present state", 409)
TOO_LARGE = Kind("too-large", "The request is too large", 413)
SIP = Kind("sip", "The SIP side refused or failed", 502)
BUSY = Kind("too-many-connections", "Too many connections", 503)

COMMON_KINDS: Mapping[type[SoftphoneError], Kind] = {
    UsageError: BAD_REQUEST,
    NotFound: NOT_FOUND,
    Conflict: CONFLICT,
    SipError: SIP,
}


def kind_of(error: SoftphoneError, kinds: Mapping[type[SoftphoneError], Kind]) -> Kind:
    """The kind of the error's class, or of the nearest one above it. `kinds` has one for SoftphoneError itself."""
    return next(kinds[cls] for cls in type(error).__mro__ if cls in kinds)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem document. `extra` holds its extension members (RFC 9457 section 3.2)."""

    kind: Kind
    detail: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self, instance: str = "") -> dict[str, Any]:
        core = {"type": TYPE_PREFIX + self.kind.name, "title": self.kind.title, "status": self.kind.status}
        where = {"instance": instance} if instance else {}
        return core | {"detail": self.detail} | where | dict(self.extra)

    def as_json(self, instance: str = "") -> bytes:
        return to_json(self.as_dict(instance), inf_nan_mode="null")

    def response(self, request: Request | None = None, headers: Mapping[str, str] | None = None) -> Response:
        """`request`: the one that failed, which the document then names."""
        body = self.as_json(request.url.path if request else "")
        return Response(body, self.kind.status, dict(headers or {}), MEDIA_TYPE)
