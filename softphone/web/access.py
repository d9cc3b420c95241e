"""Who may use the page: the token, the sessions that it opens, and the origins that may carry them.

A session is a text of its own (when it ends, and a seal made with a key that comes from the token), kept by the browser
in a cookie that no script reads. Nothing is kept here, so that a restarted phone knows its pages again; another token
makes all sessions void.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

from softphone.config.secrets import Secret
from softphone.web.limits import Limits

MAX_ADDRESSES = 4096
"""Addresses whose wrong tokens are remembered; beyond, the oldest are forgotten."""
MAX_TOKEN_CHARS = 4096


class Refused(Exception):
    """No way in. `wait_s`: nothing is looked at before so many seconds; 0: the token or session is wrong."""

    def __init__(self, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class Access:
    """The doorkeeper of one listener."""

    def __init__(
        self,
        token: Secret,
        limits: Limits,
        *,
        origins: Iterable[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._token = _digest(token.reveal())
        self._seal_key = hmac.digest(token.reveal().encode(), b"softphone web session", "sha256")
        self._limits, self._now = limits, now
        self._origins = frozenset(origins)
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._ended: OrderedDict[str, float] = OrderedDict()

    # ---- the token

    def check_token(self, given: str, address: str) -> None:
        """Raises Refused for a wrong token, and for any where this address sent too many wrong ones."""
        self._check_patience(address)
        right = len(given) <= MAX_TOKEN_CHARS and hmac.compare_digest(_digest(given), self._token)
        if right:
            self._wrong.pop(address, None)
            return
        self._note_wrong(address)
        raise Refused("this access token is wrong; the right one is in the phone's configuration, under web.token")

    def _check_patience(self, address: str) -> None:
        tries = self._wrong.get(address)
        if not tries or len(tries) < self._limits.wrong_tokens:
            return
        wait_s = tries[0] + self._limits.wrong_window_s - self._now()
        if wait_s > 0:
            raise Refused(f"too many wrong access tokens came from {address}; wait {wait_s:.0f} s", max(1.0, wait_s))

    def _note_wrong(self, address: str) -> None:
        tries = self._wrong.setdefault(address, deque(maxlen=self._limits.wrong_tokens))
        tries.append(self._now())
        self._wrong.move_to_end(address)
        if len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)

    # ---- sessions

    def open_session(self) -> str:
        """A new session's text, good for `Limits.session_s`."""
        content = f"{int(self._now() + self._limits.session_s)}.{secrets.token_urlsafe(12)}"
        return f"{content}.{self._seal(content)}"

    def session_is_good(self, text: str) -> bool:
        content, _, seal = text.rpartition(".")
        if not hmac.compare_digest(_bytes(seal), _bytes(self._seal(content))) or content in self._ended:
            return False
        return int(content.partition(".")[0]) > self._now()

    def end_session(self, text: str) -> None:
        """The session is void from now on."""
        if not self.session_is_good(text):
            return
        content = text.rpartition(".")[0]
        self._ended[content] = float(content.partition(".")[0])
        for old in [old for old, end in self._ended.items() if end < self._now()]:
            del self._ended[old]

    def _seal(self, content: str) -> str:
        return hmac.new(self._seal_key, _bytes(content), "sha256").hexdigest()

    # ---- origins

    def origin_is_good(self, origin: str, own: str) -> bool:
        """Whether a page of `origin` may use the phone; `own`: the origin that the request's Host names."""
        return origin.lower() == own.lower() or origin.lower() in self._origins

    def is_foreign(self, origin: str, own: str) -> bool:
        """Whether a page of another, but allowed origin asks: such a page must be told that it may (CORS)."""
        return origin.lower() != own.lower() and origin.lower() in self._origins


def _digest(text: str) -> bytes:
    """Of the same length for any text, so that a comparison's time tells nothing."""
    return hashlib.sha256(_bytes(text)).digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
