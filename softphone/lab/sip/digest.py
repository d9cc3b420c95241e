"""Digest authentication, the server's side (RFC 3261 section 22, RFC 7616, RFC 8760).

The Authorization header is parsed here and not by sipmessage, which is misled by commas inside quotes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from softphone.lab.options import Algorithm

MAX_NONCES = 20_000

_HASHES: dict[str, Callable[[bytes], hashlib._Hash]] = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_PARAMETER = re.compile(r'\s*([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)')


class Verdict(Enum):
    """What a digest response proves."""

    GOOD = "good"
    STALE = "stale"  # the password is right, the nonce is used up: ask again, saying stale=true
    WRONG = "wrong"


@dataclass(frozen=True)
class Credentials:
    """The parameters of an Authorization or Proxy-Authorization header; names in lower case."""

    parameters: Mapping[str, str]

    def get(self, name: str) -> str:
        """A parameter, "" where it is absent."""
        return self.parameters.get(name, "")

    @property
    def username(self) -> str:
        """The user, without the domain that some phones append."""
        return self.get("username").partition("@")[0]

    @property
    def algorithm(self) -> str:
        """MD5 where none is named."""
        return (self.get("algorithm") or "MD5").upper()


def parse_credentials(value: str) -> Credentials:
    """Parse `Digest name=value, ...`. Raises ValueError for other schemes and broken syntax."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        raise ValueError(f"authentication scheme {scheme[:20]!r}")
    parameters: dict[str, str] = {}
    position = 0
    while position < len(rest):
        found = _PARAMETER.match(rest, position)
        if found is None:
            raise ValueError("malformed digest parameters")
        name, quoted, token = found.groups()
        if name.lower() in parameters:
            raise ValueError(f"{name} is there twice")
        parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token
        position = found.end()
    return Credentials(parameters)


def digest_response(credentials: Credentials, *, method: str, username: str, realm: str, password: str) -> str:
    """What `response` must be (RFC 7616 section 3.4.1; without qop: RFC 2069). Raises ValueError."""
    make = _HASHES.get(credentials.algorithm)
    if make is None:
        raise ValueError(f"digest algorithm {credentials.algorithm[:20]!r}")

    def h(text: str) -> str:
        return make(text.encode()).hexdigest()

    secret = h(f"{username}:{realm}:{password}")
    request = h(f"{method}:{credentials.get('uri')}")
    nonce, qop = credentials.get("nonce"), credentials.get("qop")
    if not qop:
        return h(f"{secret}:{nonce}:{request}")
    if qop != "auth":
        raise ValueError(f"qop {qop[:20]!r} was not offered")
    return h(f"{secret}:{nonce}:{credentials.get('nc')}:{credentials.get('cnonce')}:{qop}:{request}")


@dataclass
class _Nonce:
    born: float
    last_count: int = 0


class DigestAuthority:
    """Issues nonces, and says what an answer to them is worth."""

    def __init__(
        self, algorithms: Sequence[Algorithm], ttl_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._algorithms = tuple(algorithms)
        self._ttl_s = ttl_s
        self._clock = clock
        self._nonces: dict[str, _Nonce] = {}

    def challenges(self, realm: str, *, stale: bool = False) -> list[str]:
        """One WWW-Authenticate value per algorithm, in the order of preference (RFC 8760 section 2.4)."""
        nonce = self._new_nonce()
        flag = ", stale=true" if stale else ""
        return [
            f'Digest realm="{realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{flag}'
            for algorithm in self._algorithms
        ]

    def expire_nonces(self) -> None:
        """Make every nonce stale, as a restart of the PBX does."""
        self._nonces.clear()

    def _new_nonce(self) -> str:
        if len(self._nonces) >= MAX_NONCES:
            self._forget_old()
        nonce = secrets.token_hex(16)
        self._nonces[nonce] = _Nonce(self._clock())
        return nonce

    def _forget_old(self) -> None:
        """Drop what is expired; under a flood, the older half."""
        oldest = self._clock() - self._ttl_s
        alive = [(name, nonce) for name, nonce in self._nonces.items() if nonce.born > oldest]
        self._nonces = dict(alive[-MAX_NONCES // 2 :])

    def verify(self, credentials: Credentials, *, method: str, realm: str, password: str) -> Verdict:
        """Check the digest first, the nonce after: only who knows the password is told that a nonce is stale."""
        if credentials.algorithm not in self._algorithms or credentials.get("realm") != realm:
            return Verdict.WRONG
        try:
            username = credentials.get("username")
            expected = digest_response(credentials, method=method, username=username, realm=realm, password=password)
            count = int(credentials.get("nc"), 16) if credentials.get("qop") else 0
        except ValueError:
            return Verdict.WRONG
        if not hmac.compare_digest(expected.encode(), credentials.get("response").lower().encode()):
            return Verdict.WRONG
        return self._use_nonce(credentials.get("nonce"), count)

    def _use_nonce(self, name: str, count: int) -> Verdict:
        """A nonce lives for a while, and its count must grow (without qop: it serves once)."""
        nonce = self._nonces.get(name)
        if nonce is None or self._clock() - nonce.born > self._ttl_s:
            self._nonces.pop(name, None)
            return Verdict.STALE
        if count == 0:
            del self._nonces[name]
            return Verdict.GOOD
        if count <= nonce.last_count:
            return Verdict.STALE
        nonce.last_count = count
        return Verdict.GOOD
