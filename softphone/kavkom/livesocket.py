"""Opens the live service's WebSocket. The access token stands in its address: no log and no error may show that.

`websockets` logs requests and quotes addresses in exceptions, so it gets a logger that says nothing, and whatever it
raises is told anew in our words.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    WebSocketException,
)
from websockets.http11 import Response

from softphone import __version__
from softphone.config.provider import is_loopback
from softphone.config.secrets import Secret
from softphone.errors import ProviderDown, ProviderError, ProviderRefused, TokenRefused
from softphone.kavkom.failures import explain
from softphone.kavkom.fields import text_of
from softphone.kavkom.frames import MAX_FRAME_BYTES, complaint
from softphone.kavkom.hiding import Hider
from softphone.kavkom.services import LIVE

CALLS_PATH = "/calls"
CLOSE_LIMIT_S = 2.0
_TEMPORARY = frozenset((408, 425, 429))


@dataclass(frozen=True)
class LiveAddress:
    """Where the live service is. `url` is that of its HTTP side: http or https."""

    url: str
    trust: ssl.SSLContext
    open_timeout_s: float = 10.0

    @property
    def where(self) -> str:
        """Host and path, as errors name them."""
        parts = urlsplit(self.url)
        return parts.netloc.rpartition("@")[2] + parts.path.rstrip("/") + CALLS_PATH

    def socket_url(self, token: Secret, extensions: Sequence[str]) -> str:
        """The address that is asked for; it holds the token."""
        parts = urlsplit(self.url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        query = urlencode({"t": token.reveal(), "ext": ",".join(extensions)}, safe=",")
        return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{CALLS_PATH}?{query}"


async def open_socket(address: LiveAddress, token: Secret, extensions: Sequence[str]) -> ClientConnection:
    """A connection that receives events of these extensions.

    Raises TokenRefused (401), ProviderRefused (406 and other refusals) or ProviderDown.
    """
    host = urlsplit(address.url).hostname or ""
    hide = Hider((token,))
    opening = _StayHere(
        address.socket_url(token, extensions),
        ssl=address.trust if address.url.startswith("https:") else None,
        proxy=None if is_loopback(host) else True,
        user_agent_header=f"softphone/{__version__}",
        open_timeout=address.open_timeout_s,
        close_timeout=CLOSE_LIMIT_S,
        max_size=MAX_FRAME_BYTES,
        max_queue=64,
        logger=_quiet(),
    )
    try:
        return await opening
    except InvalidStatus as error:
        failure = _refused(error.response, address, hide)
    except (OSError, EOFError, ValueError, ImportError, WebSocketException) as error:
        cause = _cause(error, host, address.open_timeout_s)
        failure = ProviderDown(hide(f"no live events from {address.where}: {cause}"), service=LIVE.name)
    raise failure  # outside: the originals hold the address


class _StayHere(connect):
    """A redirect is an answer like another: followed, it would take the token elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _quiet() -> logging.Logger:
    logger = logging.Logger("websockets, unheard")
    logger.disabled = True
    return logger


def _cause(error: Exception, host: str, timeout_s: float) -> str:
    if isinstance(error, InvalidProxy | ImportError):  # a SOCKS proxy would need a library that is not there
        return "the proxy named in the environment cannot be used"
    if isinstance(error, InvalidMessage | EOFError):
        return "the answer was cut off or is not HTTP"
    if isinstance(error, InvalidHandshake):
        return f"it does not speak WebSocket there ({type(error).__name__}); check {LIVE.url_key}"
    return explain(error, host, timeout_s, LIVE.url_key)


def _refused(response: Response, address: LiveAddress, hide: Hider) -> ProviderError:
    """What an answer other than 101 means."""
    status = response.status_code
    said = _words(response, hide)
    start = f"{address.where} refused the connection (HTTP {status}): {said}"
    kind: type[ProviderError] = ProviderDown
    if status in (401, 403) or (400 <= status < 500 and complaint(said) == "token"):
        kind, start = TokenRefused, f"{start}; {LIVE.token_advice}"
    elif 400 <= status < 500 and status not in _TEMPORARY:
        kind = ProviderRefused
    elif status < 400:
        start = f"{address.where} does not speak WebSocket (HTTP {status}); check {LIVE.url_key}"
    return kind(hide(start), status=status, service=LIVE.name)


def _words(response: Response, hide: Hider) -> str:
    body = bytes(response.body or b"")[:2000].decode("utf-8", "replace")
    if body.lstrip().startswith("<"):
        body = ""
    return text_of(hide(body))[:200] or text_of(hide(response.reason_phrase)) or "no reason given"


def closed(error: ConnectionClosed, address: LiveAddress, token: Secret) -> ProviderError:
    """Why an open connection ended; a close frame may say that it was for the token."""
    hide = Hider((token,))
    frame = error.rcvd
    if frame is None:
        return ProviderDown(f"the connection to {address.where} broke", service=LIVE.name)
    reason = text_of(hide(frame.reason))[:200]
    text = f"{address.where} closed the connection ({frame.code}{' ' + reason if reason else ''})"
    if complaint(reason) == "token" or frame.code in (4401, 4403):
        return TokenRefused(f"{text}; {LIVE.token_advice}", service=LIVE.name)
    return ProviderDown(text, service=LIVE.name)
