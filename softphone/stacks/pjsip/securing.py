"""SRTP on PJSIP: what an account asks for, what a call has, and what becomes of a call whose keys never come.

Keys travel in the SDP (SDES, RFC 4568) or are agreed in the media path (DTLS-SRTP, RFC 5763). PJSIP offers one of the
two and takes both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pjsua2 as pj

from softphone.config.resolved import ResolvedAccount

HANDSHAKE_S = 10.0
"""How long DTLS may take from the answer on: five retransmissions at its usual pace (RFC 6347 section 4.2.4.1)."""

_NO_SESSION = "Unable to create media session"  # PJSIP's words, pjsua_call.c

_USE = {
    "off": pj.PJMEDIA_SRTP_DISABLED,
    "mandatory": pj.PJMEDIA_SRTP_MANDATORY,
    "prefer": pj.PJMEDIA_SRTP_OPTIONAL,
}
_KEYINGS = {
    "sdes": (pj.PJMEDIA_SRTP_KEYING_SDES, pj.PJMEDIA_SRTP_KEYING_DTLS_SRTP),
    "dtls": (pj.PJMEDIA_SRTP_KEYING_DTLS_SRTP, pj.PJMEDIA_SRTP_KEYING_SDES),
}


def srtp_settings(config: Any, account: ResolvedAccount) -> None:
    """Puts the account's wishes into PJSIP's `AccountMediaConfig`."""
    config.srtpUse = _USE[account.srtp]
    config.srtpSecureSignaling = 0  # whether keys may travel over plain SIP is the configuration's choice
    options = config.srtpOpt
    for keying in _KEYINGS[account.srtp_keying]:
        options.keyings.append(keying)
    for suite in account.srtp_suites:
        crypto = pj.SrtpCrypto()
        crypto.name = suite
        options.cryptos.append(crypto)


def want_of_keys(reason: str, account: ResolvedAccount) -> str:
    """The cause of an end for which PJSIP gave this reason, where that is for want of encryption; else ''.

    PJSIP ends a call whose answer agreed on a codec, but not on the keys that were offered.
    """
    if reason != _NO_SESSION or account.srtp == "off":
        return ""
    return "encryption failed: the far end's answer is not encrypted as our offer asks"


@dataclass(frozen=True, slots=True)
class Security:
    """How a call's media is protected. `keying`: sdes, dtls, or "" for plain RTP; `suite` as in RFC 4568."""

    suite: str
    keying: str

    @property
    def pending(self) -> bool:
        """Whether DTLS has not agreed on keys yet: nothing is sent or heard until it has."""
        return bool(self.keying) and not self.suite


def security_of(call_id: int, media_index: int) -> Security:
    """What PJSIP has agreed for a medium. Any thread that PJSIP knows."""
    keying = pj.srtpKeying(call_id, media_index)
    return Security(pj.srtpSuite(call_id, media_index) if keying else "", keying)


class Plain:
    """Whether it is known that a leg's media is not encrypted: told once for each change to that."""

    def __init__(self) -> None:
        self.known = False

    def is_news(self, security: Security) -> bool:
        before, self.known = self.known, not security.keying
        return self.known and not before


class Handshake:
    """Waits for the keys of one leg. `failed` is called with the cause, once, if they do not come."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The media is agreed; DTLS is at work."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_S, self._late)

    def over(self) -> None:
        """There are keys, or nobody needs them any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        self._failed(
            f"encryption failed: DTLS agreed on no keys within {HANDSHAKE_S:g} s: its handshake did not finish, or the"
            " far end's certificate is not the one in its SDP"
        )
