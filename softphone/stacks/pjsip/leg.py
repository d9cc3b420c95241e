"""One side of a call on PJSIP.

`_Call` is PJSIP's half: its methods run on PJSIP's threads, copy, and post. `PjLeg` is the loop's half. The leg holds
its `_Call` until the loop has handled DISCONNECTED; afterwards it refuses commands, since PJSIP may give the same
number to another call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from softphone.stacks.pjsip import figures, messages, nat
from softphone.stacks.pjsip.contacts import next_target
from softphone.stacks.pjsip.digits import LegDigits
from softphone.stacks.pjsip.failures import status_fault
from softphone.stacks.pjsip.hop import Hop, callback
from softphone.stacks.pjsip.messages import readable
from softphone.stacks.pjsip.mixer_port import BridgePort
from softphone.stacks.pjsip.options import add_headers, invite_options
from softphone.stacks.pjsip.securing import Handshake, Plain, Security, security_of, want_of_keys

if TYPE_CHECKING:
    from softphone.stacks.pjsip.account import PjAccount

log = logging.getLogger(__name__)

_DIRECTIONS = {0: "inactive", 1: "sendonly", 2: "recvonly", 3: "sendrecv"}  # pjmedia_dir: ours
_ACTIVE = (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD, pj.PJSUA_CALL_MEDIA_LOCAL_HOLD)
_NO_SRTP_CODES = (415, 488, 606)  # how peers say that they will not have the offered media
Rewrite = Callable[[str, bool, bool], str]
"""(SDP that PJSIP made, whether it is an offer, whether to offer SRTP) -> SDP to send. Pure; runs on any thread."""

_EXPIRED = "No session refresh received."  # what PJSIP says of a session timer that ran out
RENEW_TRIES, RENEW_PAUSE_S = 20, 2.0
"""How often a change of address is told to the far end while another INVITE is in the way: for a transaction's life."""


@dataclass(frozen=True, slots=True)
class _Ended:
    code: int
    reason: str
    bye: bool
    status: int
    headers: Headers
    quality: StreamQuality | None
    expired: bool


class _Call(pj.Call):
    """PJSIP's half of a leg. `secure`: whether its offers ask for SRTP where the account only prefers it."""

    def __init__(self, account: Any, hop: Hop, rewrite: Rewrite, *, call_id: int = -1, secure: bool = False) -> None:
        super().__init__(account, call_id)
        self._account = account
        self._hop = hop
        self._rewrite = rewrite
        self._secure = secure
        self._codec = ("", 0)
        self._last: StreamQuality | None = None
        self._answer_headers: Headers = {}
        self._identity = ""  # the last that a request within the dialog told of the far end
        self._redirect: tuple[int, str, Headers] | None = None  # the 3xx that ends this call; PJSIP says 487 of it
        self.sip_call_id = ""
        self._child: _Call | None = None  # PJSIP keeps a bare pointer to it
        self._transfer: tuple[PjLeg | None, str] | None = None  # who was told to make this call, and what was said
        self._replacing: tuple[PjLeg | None, str, str] | None = None  # whose place this call takes, by which INVITE
        self.leg: PjLeg | None = None  # set on the loop; posts before that find it there, since the loop keeps order

    def _post(self, name: str, *args: Any) -> None:
        self._hop.post(self._deliver, name, args)

    def _deliver(self, name: str, args: tuple[Any, ...]) -> None:
        if self.leg is not None:
            getattr(self.leg, name)(*args)

    @callback
    def onCallState(self, prm: Any) -> None:
        info = self.getInfo()
        self.sip_call_id = info.callIdString
        if info.state == pj.PJSIP_INV_STATE_CONNECTING:
            self._note_answer(prm)
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self._post("confirmed", self._answer_headers)
        elif info.state == pj.PJSIP_INV_STATE_CALLING and self._transfer is not None:
            self._account.transferred(self, *self._transfer, info.callIdString)
            self._transfer = None
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            event = prm.e.body.tsxState
            received = prm.e.type == pj.PJSIP_EVENT_TSX_STATE and event.type == pj.PJSIP_EVENT_RX_MSG
            bye = received and event.tsx.method in ("BYE", "CANCEL") and event.tsx.role == pj.PJSIP_ROLE_UAS
            found = messages.headers(event.src.rdata.wholeMsg) if received else {}
            local = prm.e.type == pj.PJSIP_EVENT_TSX_STATE and event.type in (
                pj.PJSIP_EVENT_TRANSPORT_ERROR,
                pj.PJSIP_EVENT_TIMER,
            )
            status = event.src.status if local and event.type == pj.PJSIP_EVENT_TRANSPORT_ERROR else 0
            code, reason, found = self._redirect or (
                0 if local else info.lastStatusCode,
                readable(info.lastReason),
                found,
            )
            expired = code == 408 and reason == _EXPIRED and not bye
            self._post("ended", _Ended(code, reason, bye, status, found, self._last, expired))

    def _note_answer(self, prm: Any) -> None:
        event = prm.e.body.tsxState
        if prm.e.type == pj.PJSIP_EVENT_TSX_STATE and event.type == pj.PJSIP_EVENT_RX_MSG:
            self._answer_headers = messages.headers(event.src.rdata.wholeMsg)

    def onCallRedirected(self, prm: Any) -> int:
        self._note_redirect(prm)
        return int(pj.PJSIP_REDIRECT_STOP)  # where to go on, if at all, is decided on the loop

    @callback
    def _note_redirect(self, prm: Any) -> None:
        event = prm.e.body.tsxState
        tsx = event.tsx
        self._redirect = (tsx.statusCode, readable(tsx.statusText), messages.headers(event.src.rdata.wholeMsg))

    @callback
    def onStreamDestroyed(self, prm: Any) -> None:
        self._last = self.measure() or self._last  # the last moment at which there are figures

    @callback
    def onCallTsxState(self, prm: Any) -> None:
        if prm.e.type != pj.PJSIP_EVENT_TSX_STATE:
            return
        event = prm.e.body.tsxState
        tsx = event.tsx
        if tsx.role != pj.PJSIP_ROLE_UAC:
            if tsx.method in ("INVITE", "UPDATE") and event.type == pj.PJSIP_EVENT_RX_MSG:
                self._note_identity(event.src.rdata.wholeMsg)
            return
        if tsx.method == "INVITE" and 100 < tsx.statusCode < 200 and event.type == pj.PJSIP_EVENT_RX_MSG:
            found = messages.headers(event.src.rdata.wholeMsg)
            self._post("progress", tsx.statusCode, readable(tsx.statusText), messages.tells_sdp(found), found)
        elif tsx.method == "INVITE" and tsx.statusCode >= 300 and event.prevState < pj.PJSIP_TSX_STATE_COMPLETED:
            self._post("invite_refused", tsx.statusCode, readable(tsx.statusText))
        elif tsx.method == "INFO" and tsx.state == pj.PJSIP_TSX_STATE_COMPLETED:
            self._post("info_answered", tsx.statusCode, readable(tsx.statusText))

    def _note_identity(self, text: str) -> None:
        """The PBX tells by a re-INVITE or UPDATE who is at the far end now, such as after a transfer."""
        told = messages.identity(messages.headers(text))
        if told and told != self._identity:
            self._identity = told
            self._post("identified", told)

    @callback
    def onCallMediaState(self, prm: Any) -> None:
        info = self.getInfo()  # held by a name: what SWIG gives of it does not keep it alive
        for media in info.media:
            if media.type == pj.PJMEDIA_TYPE_AUDIO:
                self._media(media)
                return

    def _media(self, media: Any) -> None:
        held = media.status == pj.PJSUA_CALL_MEDIA_LOCAL_HOLD
        if media.status == pj.PJSUA_CALL_MEDIA_ERROR and security_of(self.getId(), media.index).pending:
            self._post("insecure", "encryption failed: the far end's certificate is not the one in its SDP")
            return
        if media.status not in _ACTIVE or media.audioConfSlot < 0:
            self._post("no_media", held, nat.path_of(self.getId(), media.index))
            return
        stream = self.getStreamInfo(media.index)
        self._codec = (stream.codecName, stream.codecClockRate)
        security = security_of(self.getId(), media.index)
        self._secure = bool(security.keying)  # a later offer of ours keeps what was agreed
        if security.pending:
            self._post("keys_pending")
            return
        self._post(
            "media",
            self.getAudioMedia(media.index),
            stream.codecName,
            stream.codecClockRate,
            _DIRECTIONS.get(media.dir, "inactive"),
            security,
            stream.remoteRtpAddress,
            stream.audTxEventPt >= 0,
            held,
            nat.path_of(self.getId(), media.index),
        )

    @callback
    def onCallMediaTransportState(self, prm: Any) -> None:
        self._post("path_found", nat.path_of(self.getId(), prm.medIdx))

    @callback
    def onCallTransferStatus(self, prm: Any) -> None:
        self._post("transfer_progress", prm.statusCode, readable(prm.reason), prm.finalNotify)

    @callback
    def onCallTransferRequest(self, prm: Any) -> None:
        target = readable(prm.dstUri)
        if not self._account.accepts_transfer(target):
            prm.statusCode = 603
            self._post("transfer_asked", target)
            return
        # PJSIP places the new call as soon as this returns; the loop hears of it when its INVITE is out
        child = _Call(self._account, self._hop, self._rewrite, secure=self._secure)
        child._transfer = (self.leg, target)  # not this call itself: that would be a cycle
        self._child = child
        prm.opt.audioCount, prm.opt.videoCount, prm.opt.textCount = 1, 0, 0
        prm.newCall = child
        prm.statusCode = 202

    @callback
    def onCallReplaceRequest(self, prm: Any) -> None:
        info = self.getInfo()
        prm.statusCode = 603  # by default PJSIP would answer, with a call that nobody knows of
        if not self._account.accepts_replaces():
            return
        if info.state != pj.PJSIP_INV_STATE_CONFIRMED and info.role != pj.PJSIP_ROLE_UAC:
            prm.statusCode = 481  # RFC 3891 section 3: a call that rings here is taken by CANCEL, not like this
            return
        child = _Call(self._account, self._hop, self._rewrite)
        child._replacing = (self.leg, prm.rdata.wholeMsg, prm.rdata.srcAddress)
        self._child = child
        prm.opt.audioCount, prm.opt.videoCount, prm.opt.textCount = 1, 0, 0
        prm.newCall = child
        prm.statusCode = 200

    @callback
    def onCallReplaced(self, prm: Any) -> None:
        child = self._child
        if child is not None and child._replacing is not None:
            self._account.replaced(child, *child._replacing)
            child._replacing = None

    @callback
    def onDtmfEvent(self, prm: Any) -> None:
        if prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO:
            known = 0 < prm.duration < 60_000
            self._post("digit_by_info", prm.digit, int(prm.duration) if known else None)
        else:
            self._post("digit_event", prm.digit, int(prm.timestamp), int(prm.duration), int(prm.flags))

    @callback
    def onCallSdpCreated(self, prm: Any) -> None:
        offer = not prm.remSdp.wholeSdp
        before = prm.sdp.wholeSdp
        after = self._rewrite(before, offer, self._secure)
        if after != before:
            prm.sdp.wholeSdp = after

    def measure(self) -> StreamQuality | None:
        """The figures of the audio stream; None where there is none. Any thread."""
        return figures.measure(self.getId(), *self._codec)


class PjLeg:
    """The loop's half of a leg."""

    def __init__(self, account: PjAccount, hop: Hop) -> None:
        self._account = account
        self._hop = hop
        self._call: _Call | None = None
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
    def adopt(cls, account: PjAccount, call: _Call, sip_call_id: str, target: str = "") -> PjLeg:
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

    def _send_invite(self) -> None:
        if self._invite is None:
            return
        target = self._redirected_to[-1] if self._redirected_to else self._invite.target
        call = _Call(self._account.native, self._hop, self._account.rewrite, secure=self._offer_secure)
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

    def ended(self, end: _Ended) -> None:
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
        self._account.bury(self._call)
        self._call = None

    def _dials_again(self, end: _Ended) -> bool:
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
            self._report(LegEnded(0, "", cause=str(error)))
            self._account.leg_over(self)
        return True

    def _redirection(self, end: _Ended) -> str:
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
