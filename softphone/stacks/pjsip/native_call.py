"""PJSIP's half of a leg: its methods run on PJSIP's threads, copy, and post to the loop's half (leg.py)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pjsua2 as pj

from softphone.media.quality import StreamQuality
from softphone.stacks.base import (
    Headers,
)
from softphone.stacks.pjsip import figures, messages, nat, sdp
from softphone.stacks.pjsip.hop import Hop, callback
from softphone.stacks.pjsip.messages import readable
from softphone.stacks.pjsip.securing import security_of

if TYPE_CHECKING:
    from softphone.stacks.pjsip.leg import PjLeg

    pass

log = logging.getLogger(__name__)

_DIRECTIONS = {0: "inactive", 1: "sendonly", 2: "recvonly", 3: "sendrecv"}  # pjmedia_dir: ours
_ACTIVE = (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD, pj.PJSUA_CALL_MEDIA_LOCAL_HOLD)
Rewrite = Callable[[str, bool, bool], str]
"""(SDP that PJSIP made, whether it is an offer, whether to offer SRTP) -> SDP to send. Pure; runs on any thread."""

_EXPIRED = "No session refresh received."  # what PJSIP says of a session timer that ran out


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    reason: str
    bye: bool
    status: int
    headers: Headers
    quality: StreamQuality | None
    expired: bool


class NativeCall(pj.Call):
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
        self.mids: list[str] = []  # how the far end's first offer names its sections
        self._child: NativeCall | None = None  # PJSIP keeps a bare pointer to it
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
            self._post("ended", Ended(code, reason, bye, status, found, self._last, expired))

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
        child = NativeCall(self._account, self._hop, self._rewrite, secure=self._secure)
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
        child = NativeCall(self._account, self._hop, self._rewrite)
        child.mids = sdp.mids(prm.rdata.wholeMsg)
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
        self.mids = sdp.mids(prm.remSdp.wholeSdp) or self.mids
        after = sdp.take_mids(self._rewrite(before, offer, self._secure), self.mids)
        if after != before:
            prm.sdp.wholeSdp = after

    def measure(self) -> StreamQuality | None:
        """The figures of the audio stream; None where there is none. Any thread."""
        return figures.measure(self.getId(), *self._codec)
