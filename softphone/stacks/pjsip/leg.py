"""One side of a call on PJSIP.

`PjLeg` is the loop's half, `NativeCall` is PJSIP's. The leg holds its `NativeCall` until the loop has handled
DISCONNECTED; afterwards it refuses commands, since PJSIP may give the same number to another call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pjsua2 as pj

from softphone.addresses import NameAddr
from softphone.errors import SipError
from softphone.media.quality import StreamQuality
from softphone.stacks.base import (
    NO_HEADERS,
    Answered,
    HeaderLines,
    Headers,
    HoldRefused,
    Identified,
    Leg,
    LegEnded,
    LegReport,
    LegSink,
    MediaChanged,
    MediaPath,
    OutgoingInvite,
    Progress,
    Redirected,
    SecurityLowered,
    TransferAsked,
    TransferProgress,
)
from softphone.stacks.pjsip import nat
from softphone.stacks.pjsip.contacts import next_target
from softphone.stacks.pjsip.digits import LegDigits
from softphone.stacks.pjsip.failures import status_fault
from softphone.stacks.pjsip.hop import Hop
from softphone.stacks.pjsip.mixer_port import BridgePort
from softphone.stacks.pjsip.native_call import Ended, NativeCall
from softphone.stacks.pjsip.options import add_headers, invite_options
from softphone.stacks.pjsip.securing import Handshake, Plain, Security, want_of_keys

if TYPE_CHECKING:
    from softphone.stacks.pjsip.account import PjAccount

log = logging.getLogger(__name__)

_NO_SRTP_CODES = (415, 488, 606)  # how peers say that they will not have the offered media
RENEW_TRIES, RENEW_PAUSE_S = 20, 2.0
"""How often a change of address is told to the far end while another INVITE is in the way: for a transaction's life."""


class PjLeg:
    """The loop's half of a leg."""

    def __init__(self, account: PjAccount, hop: Hop) -> None:
        self._account = account
        self._hop = hop
        self._call: NativeCall | None = None
        self._sink: LegSink | None = None
        self._early: list[LegReport] = []  # reports that came before anybody listened
        self._port: BridgePort | None = None
        self._invite: OutgoingInvite | None = None
        self._offer_secure = False
        self._hang_up_asked = False
        self._confirmed = False
        self._holding = False
        self._redirected_to: list[str] = []
        self._digits = LegDigits(self._command, self._report, account.after)
        self._media = MediaChanged(None)
        self._quality: StreamQuality | None = None
        self._sip_call_id = ""
        self._handshake = Handshake(self.insecure)
        self._insecure = ""
        self._plain = Plain()

    # ---- beginnings

    @classmethod
    def adopt(cls, account: PjAccount, call: NativeCall, sip_call_id: str, target: str = "") -> PjLeg:
        """The leg of a call that PJSIP made: an incoming one, or one to `target` that a transfer asked for."""
        leg = cls(account, account.hop)
        leg._call = call
        if target:
            leg._invite = OutgoingInvite(target)
            leg._offer_secure = call._secure and account.settings.srtp == "prefer"
        call.leg = leg
        leg._sip_call_id = sip_call_id
        return leg

    @property
    def sink(self) -> LegSink | None:
        return self._sink

    def listen(self, sink: LegSink) -> None:
        """From now on `sink` hears all reports, those that came before included."""
        self._sink = sink
        waiting, self._early = self._early, []
        for report in waiting:
            sink.leg_report(report)

    def leave(self) -> LegSink | None:
        """Another leg takes the place of this one, which will not be heard of any more. Returns who heard it."""
        sink, self._sink = self._sink, _Unheard()
        return sink

    def dial(self, invite: OutgoingInvite) -> None:
        """Sends the INVITE. Raises SipError when PJSIP refuses at once (bad URI, no transport)."""
        self._invite = invite
        self._offer_secure = self._account.settings.srtp == "prefer"
        self._send_invite()

    def fail(self, cause: str) -> None:
        """The INVITE cannot be sent at all."""
        self._report(LegEnded(0, "", cause=cause))
        self._account.leg_over(self)

    def _send_invite(self) -> None:
        if self._invite is None:
            return
        if self._hang_up_asked:
            self.fail("")
            return
        target = self._redirected_to[-1] if self._redirected_to else self._invite.target
        call = NativeCall(self._account.native, self._hop, self._account.rewrite, secure=self._offer_secure)
        call.leg = self
        self._call = call
        prm = invite_options()
        add_headers(prm, dict(self._account.settings.headers) | self._invite.headers)
        try:
            call.makeCall(target, prm)
            self._sip_call_id = call.sip_call_id or nat.call_id_of(call)
        except pj.Error as error:
            self._forget_call()
            fault = status_fault(error.status)
            raise SipError(f"cannot call {target}: {fault.cause}") from None

    # ---- commands

    @property
    def sip_call_id(self) -> str:
        return self._sip_call_id

    def ring(self) -> None:
        self._answer(180)

    def answer(self, headers: HeaderLines = NO_HEADERS) -> None:
        self._answer(200, headers)

    def _answer(self, code: int, headers: HeaderLines = NO_HEADERS) -> None:
        prm = pj.CallOpParam()
        prm.statusCode = code
        add_headers(prm, headers)
        self._command("answer", lambda call: call.answer(prm))

    def reject(self, code: int, reason: str = "", headers: HeaderLines = NO_HEADERS) -> None:
        prm = pj.CallOpParam()
        prm.statusCode = code
        prm.reason = reason
        add_headers(prm, headers)
        self._hang_up_asked = True
        self._command("reject", lambda call: call.hangup(prm))

    def redirect(self, target: str) -> None:
        prm = pj.CallOpParam()
        prm.statusCode = 302
        add_headers(prm, {"Contact": f"<{target}>"})
        self._hang_up_asked = True
        self._command("redirect", lambda call: call.hangup(prm))

    def hold(self, held: bool, headers: HeaderLines = NO_HEADERS) -> None:
        prm = invite_options()
        add_headers(prm, headers)
        if not held:
            prm.opt.flag = pj.PJSUA_CALL_UNHOLD
        self._holding = True
        if not self._command("hold", lambda call: call.setHold(prm) if held else call.reinvite(prm)):
            self.invite_refused(491, "another change of this call is under way")

    def renew(self) -> None:
        self._renew(RENEW_TRIES)

    def _renew(self, tries: int) -> None:
        prm = invite_options()
        prm.opt.flag = pj.PJSUA_CALL_REINIT_MEDIA | pj.PJSUA_CALL_UPDATE_CONTACT | pj.PJSUA_CALL_UPDATE_VIA
        if not self._command("tell our address", lambda call: call.reinvite(prm)) and tries > 1:
            # Another INVITE is under way, which may take as long as the old address lets it
            self._account.after(RENEW_PAUSE_S, lambda: self._renew(tries - 1))

    def retarget(self) -> None:
        """Tells the far end by UPDATE (RFC 3311) that we are reached by another connection now; media goes on as it is.

        Where there is no such call any more, the answer ends ours.
        """
        prm = invite_options()
        prm.opt.flag = pj.PJSUA_CALL_NO_SDP_OFFER | pj.PJSUA_CALL_UPDATE_CONTACT | pj.PJSUA_CALL_UPDATE_VIA
        if self._confirmed:
            self._command("tell our new connection", lambda call: call.update(prm))

    def transfer(self, target: str, headers: dict[str, str]) -> None:
        prm = pj.CallOpParam()
        add_headers(prm, headers)
        self._refer(lambda call: call.xfer(f"<{target}>", prm))

    def transfer_to(self, other: Leg, headers: dict[str, str]) -> None:
        consulted = other.native if isinstance(other, PjLeg) else None
        prm = pj.CallOpParam()
        add_headers(prm, headers)
        if consulted is None:
            self._report(TransferProgress(0, "the other call is over", True))
            return
        self._refer(lambda call: call.xferReplaces(consulted, prm))

    def _refer(self, send: Callable[[Any], None]) -> None:
        if not self._command("transfer", send):
            self._report(TransferProgress(0, "the call cannot be transferred now", True))

    @property
    def native(self) -> Any:
        """PJSIP's call, None once it is over."""
        return self._call

    def hang_up(self, headers: HeaderLines = NO_HEADERS) -> None:
        prm = pj.CallOpParam()
        add_headers(prm, headers)
        self._hang_up_asked = True
        self.quality()  # PJSIP drops the stream at once and tells nobody
        self._command("hang up", lambda call: call.hangup(prm))

    def _command(self, what: str, run: Callable[[Any], None]) -> bool:
        if self._call is None:
            return False
        try:
            run(self._call)
        except pj.Error as error:  # the far end was faster: the call is ending or has ended
            log.info("call %s: cannot %s: %s", self._sip_call_id, what, error.reason)
            return False
        return True

    def dtmf_method(self, wanted: str) -> str:
        return self._digits.method(wanted)

    def send_digit(self, digit: str, method: str, duration_ms: int) -> None:
        self._digits.send(digit, self._digits.method(method), duration_ms)

    def quality(self) -> StreamQuality | None:
        if self._call is not None:
            self._quality = self._call.measure() or self._quality
        return self._quality

    # ---- what PJSIP said, on the loop

    def measured(self, quality: StreamQuality | None) -> None:
        self._quality = quality or self._quality

    def progress(self, code: int, reason: str, early_media: bool, headers: Headers) -> None:
        self._report(Progress(code, reason, early_media, headers))

    def confirmed(self, headers: Headers) -> None:
        self._confirmed = True
        self._report(Answered(headers))

    def identified(self, told: str) -> None:
        if self._confirmed:
            found = NameAddr.parse(told)
            self._report(Identified(found.uri, found.display_name))

    def media(
        self,
        media: Any,
        codec: str,
        clock_rate_hz: int,
        direction: str,
        security: Security,
        remote: str,
        events: bool,
        held: bool,
        path: MediaPath,
    ) -> None:
        self._handshake.over()
        self._leave_port()
        self._digits.peer_events = events
        self._port = BridgePort(f"call {self._sip_call_id}", media)
        self._account.mixer.keep_read(self._port)
        if self._plain.is_news(security) and self._account.settings.srtp == "prefer":
            self._report(SecurityLowered("the far end agreed on media without SRTP"))
        self._media = MediaChanged(
            self._port, codec, clock_rate_hz, direction, security.suite, remote, held, events, path, security.keying
        )
        self._report(self._media)

    def keys_pending(self) -> None:
        self._handshake.begin()

    def insecure(self, cause: str) -> None:
        """No keys, no call: what was agreed on as encrypted is not carried on in the clear."""
        self._insecure = cause
        self.quality()
        self._command("hang up", lambda call: call.hangup(pj.CallOpParam()))

    def no_media(self, held: bool, path: MediaPath) -> None:
        self._leave_port()
        self._media = MediaChanged(None, held=held, path=path)
        self._report(self._media)

    def path_found(self, path: MediaPath) -> None:
        """ICE has come to an end."""
        if self._port is not None and path != self._media.path:
            self._media = replace(self._media, path=path, remote=path.remote_address or self._media.remote)
            self._report(self._media)

    def _leave_port(self) -> None:
        if self._port is not None:
            self._port.gone()
            self._port = None

    def invite_refused(self, code: int, reason: str) -> None:
        """A re-INVITE came to nothing. What becomes of a first INVITE is told by the end of the call, and of a
        challenged one by its repetition."""
        if self._confirmed and self._holding and code not in (401, 407):
            self._holding = False
            self._report(HoldRefused(code, reason))

    def transfer_progress(self, code: int, reason: str, final: bool) -> None:
        self._report(TransferProgress(code, reason, final))

    def transfer_asked(self, target: str) -> None:
        self._report(TransferAsked(NameAddr.parse(target).uri))

    def digit_by_info(self, digit: str, duration_ms: int | None) -> None:
        self._digits.info(digit, duration_ms)

    def digit_event(self, digit: str, stamp: int, duration_ms: int, flags: int) -> None:
        self._digits.event(digit, stamp, duration_ms, flags)

    def info_answered(self, code: int, reason: str) -> None:
        self._digits.info_answered(code, reason)

    def ended(self, end: Ended) -> None:
        self._handshake.over()
        self._leave_port()
        self._digits.close()
        self._quality = end.quality or self._quality
        self._forget_call()
        if not self._hang_up_asked and self._dials_again(end):
            return
        cause = status_fault(end.status).cause if end.code == 0 and not end.bye else ""
        self._insecure = self._insecure or want_of_keys(end.reason, self._account.settings)
        quality, insecure = self._quality, self._insecure
        self._report(LegEnded(end.code, end.reason, end.bye, cause, end.headers, quality, end.expired, insecure))
        self._account.leg_over(self)

    def _forget_call(self) -> None:
        if self._call is not None:
            self._call.leg = None  # what is kept of the call is PJSIP's half alone
            self._account.bury(self._call)
        self._call = None

    def _dials_again(self, end: Ended) -> bool:
        """Whether the refusal is one that another INVITE answers: without SRTP, or to where a 3xx leads."""
        if self._offer_secure and end.code in _NO_SRTP_CODES:
            self._offer_secure = False
            self._plain.known = True
            self._report(SecurityLowered(f"the far end refused SRTP: {end.code} {end.reason}"))
        elif target := self._redirection(end):
            self._redirected_to.append(target)
            self._report(Redirected(end.code, target))
        else:
            return False
        try:
            self._send_invite()
        except SipError as error:
            self.fail(str(error))
        return True

    def _redirection(self, end: Ended) -> str:
        """Where to call next, '' if nowhere: not redirected, too often, or in a circle."""
        invite = self._invite
        if invite is None or end.code // 100 != 3 or len(self._redirected_to) >= invite.redirects:
            return ""
        return next_target(end.headers, {invite.target, *self._redirected_to})

    def _report(self, report: LegReport) -> None:
        if self._sink is None:
            self._early.append(report)
        else:
            self._sink.leg_report(report)


class _Unheard:
    """Where the reports of a leg go that nobody waits for any more."""

    def leg_report(self, report: LegReport) -> None:
        log.debug("a leg that was replaced: %s", type(report).__name__)
