"""Errors as problem documents (RFC 9457), and as answers on the WebSocket. None carries what was sent, or a secret."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping

from softphone.errors import MediaError, SoftphoneError
from softphone.listening import problems as listening
from softphone.listening.problems import COMMON_KINDS, Kind, kind_of

log = logging.getLogger(__name__)

INVALID = Kind("invalid", "The request has wrong or missing values", 400)
UNAUTHORIZED = Kind("unauthorized", "An access token is needed", 401)
FORBIDDEN = Kind("foreign-origin", "This page may not use the phone", 403)
CONTENT_TYPE = Kind("content-type", "The body is of another type", 415)
MEDIA = Kind("media", "The sound cannot be had", 422)
TOO_MANY = Kind("too-many-tries", "Too many wrong access tokens", 429)
INTERNAL = Kind("internal", "The phone hit a fault of its own", 500)

_KINDS: Mapping[type[SoftphoneError], Kind] = {
    **COMMON_KINDS,
    SoftphoneError: INTERNAL,
    MediaError: MEDIA,
}


class Problem(listening.Problem):
    """What went wrong, for a person (`detail`) and for a program (`kind`); in ASCII, as the page's other answers."""

    __slots__ = ()

    def as_json(self, instance: str = "") -> bytes:
        return json.dumps(self.as_dict(instance)).encode()


def of_error(error: SoftphoneError) -> Problem:
    """The problem that says what the error says."""
    kind = kind_of(error, _KINDS)
    return Problem(kind, str(error) or kind.title)


def of_fault(error: BaseException, what: str) -> Problem:
    """A fault that nobody foresaw: logged whole under a reference, of which the page learns the reference only."""
    reference = secrets.token_hex(4)
    log.error("web: %s failed (reference %s)", what, reference, exc_info=error)
    return Problem(INTERNAL, f"the phone's log says more under reference {reference}")
