"""Errors as problem documents (RFC 9457), and as answers on the WebSocket. None carries what was sent, or a secret."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from softphone.errors import Conflict, MediaError, NotFound, SipError, SoftphoneError, UsageError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:softphone:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of problem: the last part of its type URI, its title and its HTTP status."""

    name: str
    title: str
    status: int


BAD_REQUEST = Kind("bad-request", "The request makes no sense as it stands", 400)
INVALID = Kind("invalid", "The request has wrong or missing values", 400)
UNAUTHORIZED = Kind("unauthorized", "An access token is needed", 401)
FORBIDDEN = Kind("foreign-origin", "This page may not use the phone", 403)
NOT_FOUND = Kind("not-found", "No such thing", 404)
METHOD = Kind("method-not-allowed", "Another method is needed here", 405)
LATE = Kind("request-timeout", "The request did not arrive in time", 408)
CONFLICT = Kind("conflict", "Not possible in the present state", 409)
TOO_LARGE = Kind("too-large", "The request is too large", 413)
CONTENT_TYPE = Kind("content-type", "The body is of another type", 415)
MEDIA = Kind("media", "The sound cannot be had", 422)
TOO_MANY = Kind("too-many-tries", "Too many wrong access tokens", 429)
INTERNAL = Kind("internal", "The phone hit a fault of its own", 500)
SIP = Kind("sip", "The SIP side refused or failed", 502)
BUSY = Kind("too-many-connections", "Too many connections", 503)

_KINDS: Mapping[type[SoftphoneError], Kind] = {
    SoftphoneError: INTERNAL,
    UsageError: BAD_REQUEST,
    NotFound: NOT_FOUND,
    Conflict: CONFLICT,
    SipError: SIP,
    MediaError: MEDIA,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, for a person (`detail`) and for a program (`kind`)."""

    kind: Kind
    detail: str

    def as_dict(self) -> dict[str, object]:
        kind = self.kind
        return {"type": TYPE_PREFIX + kind.name, "title": kind.title, "status": kind.status, "detail": self.detail}

    def as_json(self) -> bytes:
        return json.dumps(self.as_dict()).encode()

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        return Response(self.as_json(), self.kind.status, dict(headers or {}), MEDIA_TYPE)


def of_error(error: SoftphoneError) -> Problem:
    """The problem that says what the error says."""
    kind = next(_KINDS[cls] for cls in type(error).__mro__ if cls in _KINDS)
    return Problem(kind, str(error) or kind.title)


def of_fault(error: BaseException, what: str) -> Problem:
    """A fault that nobody foresaw: logged whole under a reference, of which the page learns the reference only."""
    reference = secrets.token_hex(4)
    log.error("web: %s failed (reference %s)", what, reference, exc_info=error)
    return Problem(INTERNAL, f"the phone's log says more under reference {reference}")
