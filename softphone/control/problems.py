"""Every error leaves as a problem document (RFC 9457). None carries a traceback, a secret, or what the caller sent."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Router

from softphone.errors import (
    ConfigError,
    MediaError,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    SipError,
    SoftphoneError,
)
from softphone.listening.problems import COMMON_KINDS, METHOD, Kind, Problem, kind_of

log = logging.getLogger(__name__)

MALFORMED = Kind("malformed", "The request cannot be read", 400)
NO_ROUTE = Kind("no-route", "Nothing is served here", 404)
CONTENT_TYPE = Kind("content-type", "The body has to be JSON", 415)
INVALID = Kind("invalid", "The request has wrong or missing values", 422)
MEDIA = Kind("media", "The sound file or device cannot be used", 422)
HEAD_TOO_LARGE = Kind("head-too-large", "Request line and headers are too large", 431)
INTERNAL = Kind("internal", "The daemon hit a fault of its own", 500)
CONFIG = Kind("configuration", "The daemon's configuration is wrong", 500)
PROVIDER_REFUSED = Kind("provider-refused", "The PBX's API refused", 502)
PROVIDER = Kind("provider", "The PBX's API failed", 502)
PROVIDER_DOWN = Kind("provider-down", "The PBX's API does not answer", 503)
NOT_READY = Kind("not-ready", "The phone is not ready", 503)
STOPPING = Kind("stopping", "The daemon is stopping", 503)

_KINDS: Mapping[type[SoftphoneError], Kind] = {
    **COMMON_KINDS,
    SoftphoneError: INTERNAL,
    ConfigError: CONFIG,
    ProviderError: PROVIDER,
    ProviderDown: PROVIDER_DOWN,
    ProviderRefused: PROVIDER_REFUSED,
    MediaError: MEDIA,
}


def of_error(error: SoftphoneError) -> Problem:
    """The problem that says what the error says."""
    kind = kind_of(error, _KINDS)
    return Problem(kind, str(error) or kind.title, _members(error))


def _members(error: SoftphoneError) -> dict[str, Any]:
    match error:
        case SipError():
            return {"sip_code": error.code, "sip_reason": error.reason}
        case ProviderError():
            return {"provider_status": error.status}
        case ConfigError():
            return {"file": error.file, "line": error.line, "key": error.key}
    return {}


def of_fault(error: BaseException, what: str) -> Problem:
    """A fault that nobody foresaw: logged whole under a reference, of which the caller learns the reference only."""
    reference = secrets.token_hex(4)
    log.error("control: %s failed (reference %s)", what, reference, exc_info=error)
    return Problem(INTERNAL, f"the daemon's log says more under reference {reference}", {"reference": reference})


def of_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Names each wrong value by a JSON pointer, never by what was sent."""
    if broken := next((e for e in errors if e["type"] == "json_invalid"), None):
        place = broken["loc"][-1] if isinstance(broken["loc"][-1], int) else 0
        why = broken.get("ctx", {}).get("error", "not JSON")
        return Problem(MALFORMED, f"the body is not JSON: {why} at character {place}")
    found = [_invalid(e) for e in errors]
    detail = "; ".join(f"{f['parameter'] or 'the body'}: {f['detail']}" for f in found)
    return Problem(INVALID, detail, {"errors": found})


def _invalid(error: Mapping[str, Any]) -> dict[str, str]:
    place, *path = error["loc"]
    text = _WORDS.get(error["type"], error["msg"]).removeprefix("Value error, ")
    pointer = "#" + "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in path)
    return {"in": str(place), "parameter": ".".join(map(str, path)), "pointer": pointer, "detail": text}


_WORDS: Mapping[str, str] = {
    "extra_forbidden": "there is no such key",
    "missing": "this is needed",
    "model_attributes_type": "a JSON object is needed",
    "model_type": "a JSON object is needed",
}


# ---- handlers


async def on_softphone_error(request: Request, error: Exception) -> Response:
    """What the phone raises on purpose."""
    if not isinstance(error, SoftphoneError):
        return of_fault(error, f"{request.method} {request.url.path}").response(request)
    return of_error(error).response(request)


async def on_validation_error(request: Request, error: Exception) -> Response:
    """What FastAPI finds wrong with a request."""
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    return of_validation(errors).response(request)


async def on_http_error(request: Request, error: Exception) -> Response:
    """What routing finds: no such path, no such method; and bodies that the JSON parser chokes on."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == METHOD.status:
        allowed = ", ".join(_methods_here(request))
        detail = f"{request.method} is not possible on {request.url.path}, but {allowed}"
        return Problem(METHOD, detail).response(request, {"Allow": allowed})
    if status == NO_ROUTE.status:
        detail = f"there is nothing at {request.url.path}; /openapi.json lists what there is"
        return Problem(NO_ROUTE, detail).response(request)
    if status == MALFORMED.status:
        return Problem(MALFORMED, "the body is not JSON in UTF-8").response(request)
    return Problem(Kind("http", HTTPStatus(status).phrase, status), HTTPStatus(status).description).response(request)


def _methods_here(request: Request) -> list[str]:
    """Every method that some route takes at the request's path."""
    router: Router = request.app.router
    candidates = ("GET", "POST", "PUT", "PATCH", "DELETE")
    return [m for m in candidates if _is_routed(router, dict(request.scope) | {"method": m})]


def _is_routed(router: Router, scope: dict[str, Any]) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in router.routes)
