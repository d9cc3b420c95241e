"""Why no answer came, in words: the cause behind the exceptions of httpx, found and named."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

import httpx

_ERRNO_TEXTS = {
    errno.ECONNREFUSED: "connection refused; nothing listens there, or a firewall says no",
    errno.ECONNRESET: "the connection was reset",
    errno.ENETUNREACH: "no route to it; is this machine online?",
    errno.EHOSTUNREACH: "no route to it; is this machine online?",
    errno.EPIPE: "the connection was closed while the request was sent",
}


def explain(error: BaseException, host: str, timeout_s: float, url_key: str = "provider.api_url") -> str:
    """One clause such as `connection refused`; holds nothing of the request."""
    if isinstance(error, TimeoutError):
        return f"timed out after {timeout_s:g} s"
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate(cause, host, url_key)
        if isinstance(cause, socket.gaierror):
            return f"name {host} not found; check {url_key} and the name service (DNS)"
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return f"the TLS handshake failed ({_ssl_reason(cause)}); is it an https port?"
        if isinstance(cause, OSError) and cause.errno in _ERRNO_TEXTS:
            return _ERRNO_TEXTS[cause.errno]
    return _by_kind(causes, timeout_s)


def _by_kind(causes: list[BaseException], timeout_s: float) -> str:
    if any(isinstance(cause, httpx.TimeoutException | TimeoutError) for cause in causes):
        return f"timed out after {timeout_s:g} s"
    if any(isinstance(cause, httpx.DecodingError) for cause in causes):
        return "the compressed answer cannot be unpacked"
    if any(isinstance(cause, httpx.RemoteProtocolError) for cause in causes):
        return "the answer was cut off or is not HTTP"
    if any(isinstance(cause, httpx.NetworkError) for cause in causes):
        return "the connection broke"
    return f"the request failed ({type(causes[0]).__name__})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that led to it, groups included, outermost first."""
    waiting = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions


def _certificate(error: ssl.SSLCertVerificationError, host: str, url_key: str) -> str:
    reason = error.verify_message or "not trusted"
    advice = "check this machine's clock, or ask the operator to renew it"
    if "issuer" in reason or "self-signed" in reason or "self signed" in reason:
        advice = "for a private authority give its certificate as provider.ca_file"
    elif "match" in reason:
        advice = f"check the host name in {url_key}"
    return f"the certificate of {host} is refused: {reason.rstrip('.')}; {advice}"


def _ssl_reason(error: ssl.SSLError) -> str:
    return (error.reason or "no reason given").lower().replace("_", " ")
