"""A call: the state machine, what carries it, and what it sounds like.

The state machine decides (fsm.py), the leg carries (stacks), sounds play and record (sounds.py). This class joins
them: it feeds inputs to the machine, carries out its actions, and tells the bus.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from softphone import events
from softphone.aio import Timers
from softphone.config.resolved import ResolvedAccount
from softphone.engine import fsm
from softphone.engine.collecting import Collector
from softphone.engine.digits import DigitSender, Outcome
from softphone.engine.ending import Ending
from softphone.engine.headers import telling
from softphone.engine.hold import Hold
from softphone.engine.inband import Listener, Speaker
from softphone.engine.intercom import Intercom
from softphone.engine.monitor import Watch
from softphone.engine.place import Place
from softphone.engine.sounds import Sounds
from softphone.engine.timing import StartTimer, StopTimer, TimerFired
from softphone.engine.transfer import Transfer
from softphone.engine.views import AudioRoute, CallEnd, CallView, PathView
from softphone.engine.world import World, iso, iso_or_none
from softphone.errors import Conflict
from softphone.media.ports import Port
from softphone.media.quality import StreamQuality
from softphone.stacks.base import (
    NO_HEADERS,
    Answered,
    Digit,
    DigitBegun,
    DigitFailed,
    DigitSent,
    HeaderLines,
    Headers,
    HoldRefused,
    Identified,
    IncomingInvite,
    Leg,
    LegEnded,
    LegReport,
    MediaChanged,
    Progress,
    Redirected,
    Replaced,
    SecurityLowered,
    TransferAsked,
    TransferProgress,
)

log = logging.getLogger(__name__)


class Call:
    """One call. All methods belong to the event loop's thread."""

    def __init__(
        self,
        call_id: str,
        account: ResolvedAccount,
        world: World,
        *,
        state: fsm.CallState,
        remote: str,
        remote_name: str = "",
        called: str = "",
        on_over: Callable[[Call], None],
    ) -> None:
        self.id = call_id
        self.account = account
        self.remote = remote
        self._remote_name = remote_name
        self._called = called
        self._world = world
        self._state = state
        self._on_over = on_over
        self._timers = Timers()
        self._leg: Leg | None = None
        self._digits: DigitSender | None = None
        self._media = MediaChanged(None)
        self._headers: dict[str, list[str]] = {}
        self._early_media = False
        self._created_s = time.time()
        self._answered_s: float | None = None
        self._ended_s: float | None = None
        self._end: Ending | None = None
        self._quality: StreamQuality | None = None
        self._route = AudioRoute()
        self.conference = ""
        self._place = Place(world.mixer, world.graph, f"call {call_id}", self._moved)
        self.sounds = Sounds(self.id, account.id, world, self._place.shown)
        self._hold = Hold(call_id, account.id, world, self._place, outgoing=state.outgoing, send=self._send_hold)
        self._transfer = Transfer(call_id, account.id, world, self._transfer_over)
        self._consulted: Call | None = None
        self._speaker = Speaker(f"call {call_id}", world, self._place, self._digit_out)
        self.collector = Collector(self.id, account.id, self._tell, self.sounds.stop_prompts, self.sounds.prompting)
        self.sounds.on_quiet = self.collector.played
        self._ear = Listener(f"call {call_id}", account.dtmf_detect, world, self._place, self._digit_heard)
        self._added: HeaderLines = NO_HEADERS  # for the message that the present command sends
        self._hold_headers: HeaderLines = NO_HEADERS
        self._watch = Watch(call_id, account, world, self.end)

    # ---- beginnings

    def dial(self, leg: Leg) -> None:
        """The INVITE of this call went out on `leg`."""
        self._take(leg)
        self._tell(
            events.CallDialing(call=self.id, account=self.account.id, target=self.remote, sip_call_id=leg.sip_call_id)
        )
        self._advance(fsm.Dialed())

    def offer(self, leg: Leg, invite: IncomingInvite, decision: fsm.Offered) -> None:
        """An INVITE came in on `leg`, and policy has decided."""
        self._take(leg)
        self._headers = telling(invite.headers)
        self._tell(
            events.CallIncoming(
                call=self.id,
                account=self.account.id,
                caller=invite.caller,
                caller_name=invite.caller_name,
                called=invite.called,
                sip_call_id=invite.sip_call_id,
                headers=self._headers,
            )
        )
        if decision.why:
            self.sounds.intercom = Intercom(self.account.intercom, self._world, lambda: self.mute(True))
            self._tell(
                events.CallAutoAnswer(call=self.id, account=self.account.id, why=decision.why, after_s=decision.after_s)
            )
        self._advance(decision)

    def _replaced(self, leg: Leg, invite: IncomingInvite) -> None:
        """The call goes on with another far end; whoever listens, plays or records does not notice."""
        if self._digits is not None:
            self._digits.close("the far end changed")
        self._speaker.close()
        self._transfer.call_over(bye=False)
        self._take(leg)
        self.remote, self._remote_name = invite.caller, invite.caller_name
        self._headers = telling(invite.headers)
        self._tell(
            events.CallReplaced(
                call=self.id,
                account=self.account.id,
                remote=invite.caller,
                remote_name=invite.caller_name,
                sip_call_id=invite.sip_call_id,
                headers=self._headers,
            )
        )

    def _take(self, leg: Leg) -> None:
        self._leg = leg
        self._digits = DigitSender(leg, self._digits_done, self._speaker.say)

    # ---- what the leg reports

    def leg_report(self, report: LegReport) -> None:
        match report:
            case Progress(early_media=early_media):
                self._early_media = self._early_media or early_media
                self._advance(report)
            case Answered():
                self._advance(report)
            case LegEnded():
                self._quality = report.quality or self._quality
                self._transfer.call_over(report.bye)
                self._advance(report)
            case MediaChanged():
                self._media_changed(report)
            case Identified(remote, remote_name):
                self._identified(remote, remote_name)
            case HoldRefused():
                self._hold.refused(report)
            case TransferProgress():
                self._transfer.report(report)
            case Replaced(leg, invite):
                self._replaced(leg, invite)
            case TransferAsked(target):
                self._transfer_asked(target, accepted=False)
            case Redirected(code, target):
                self._tell(events.CallRedirected(call=self.id, account=self.account.id, code=code, target=target))
            case DigitBegun():
                self._ear.signalled()
                self.collector.begun()
            case Digit():
                self._ear.signalled()
                self._digit_heard(report)
            case DigitSent() | DigitFailed():
                self._digit_out(report)
            case SecurityLowered(cause):
                self._tell(events.CallUnencrypted(call=self.id, account=self.account.id, cause=cause))

    def _media_changed(self, report: MediaChanged) -> None:
        if self._state.over:
            return
        self._media = report
        self._place.change(report.port)
        self._ear.media(report)
        if self._state.phase == "active":
            self._hold.seen(report)
        self._tell(
            events.CallMedia(
                call=self.id,
                account=self.account.id,
                active=report.port is not None,
                codec=report.codec,
                clock_rate_hz=report.clock_rate_hz,
                direction=report.direction,
                srtp=report.srtp,
                srtp_keying=report.srtp_keying,
                remote=report.remote,
                ice=report.path.ice,
                local_candidate=report.path.local_candidate,
                remote_candidate=report.path.remote_candidate,
            )
        )

    def _identified(self, remote: str, remote_name: str) -> None:
        self.remote, self._remote_name = remote, remote_name
        self._tell(events.CallIdentity(call=self.id, account=self.account.id, remote=remote, remote_name=remote_name))

    def _digit_heard(self, heard: Digit) -> None:
        self._tell(events.CallDigit(call=self.id, account=self.account.id, **asdict(heard)))
        self.collector.digit(heard.digit)

    def _digit_out(self, report: DigitSent | DigitFailed) -> None:
        if self._digits is not None:
            self._digits.reported(report)

    def _moved(self, port: Port) -> None:
        self.sounds.moved(port)

    # ---- commands. `headers` go onto the message that carries the command out

    def answer(self, headers: HeaderLines = NO_HEADERS) -> None:
        """Takes an incoming call. Raises Conflict when there is nothing to answer."""
        if self._state.outgoing:
            raise Conflict(f"call {self.id} is outgoing: only the far end can answer it")
        self._needs("answer", "incoming")
        self._added = headers
        self.sounds.intercom = None  # somebody is there
        self._advance(fsm.AnswerWanted())

    def reject(self, code: int, reason: str = "", headers: HeaderLines = NO_HEADERS) -> None:
        """Refuses an incoming call with a final SIP status. Raises Conflict."""
        if self._state.outgoing:
            raise Conflict(f"call {self.id} is outgoing: hang it up instead")
        self._needs("reject", "incoming")
        self._added = headers
        self._advance(fsm.RejectWanted(code, reason))

    def redirect(self, target: str) -> None:
        """Sends the caller of an incoming call to another SIP URI (302). Raises Conflict."""
        if self._state.outgoing:
            raise Conflict(f"call {self.id} is outgoing: transfer it once it is answered")
        self._needs("redirect", "incoming")
        self._advance(fsm.RedirectWanted(target))

    def renew(self) -> None:
        """Our address has changed: tells the far end where its sound should go now. Before the answer nothing can."""
        if self._leg is not None and self._state.phase == "active":
            self._leg.renew()

    def hold(self, held: bool, headers: HeaderLines = NO_HEADERS) -> None:
        """Holds or resumes; `call.hold` or `call.hold_failed` tells how it went. Raises Conflict."""
        self._needs("hold" if held else "resume", "active")
        self._hold_headers = headers  # of their own: the re-INVITE is repeated when it meets one of the far end
        self._hold.want(held)

    def _send_hold(self, held: bool) -> None:
        if self._leg is not None:
            self._leg.hold(held, self._hold_headers)

    def mute(self, muted: bool) -> None:
        """Whether the far end hears nothing of our side: device, files, other calls. Raises Conflict."""
        self.needs_media("mute" if muted else "unmute")
        if muted != self._place.muted:
            (self._place.mute if muted else self._place.unmute)()
            self._tell(events.CallMuted(call=self.id, account=self.account.id, muted=muted))

    def transfer(self, target: str, headers: dict[str, str]) -> None:
        """Asks the far end to call `target` instead; `call.transfer` tells how it goes. Raises Conflict."""
        self._needs("transfer", "active")
        self._transfer.begin(target)
        self._advance(fsm.TransferBegun())
        if self._leg is not None:
            self._leg.transfer(target, headers)

    def transfer_to(self, other: Call, headers: dict[str, str]) -> None:
        """Connects our far end with the one of `other`, another active call, and leaves both. Raises Conflict."""
        self._needs("transfer", "active")
        other._needs("transfer to", "active")
        if other is self:
            raise Conflict(f"call {self.id} cannot be transferred to itself")
        self._transfer.begin(other.remote, other.id)
        self._consulted = other
        for call in (self, other):
            call._advance(fsm.TransferBegun())
        if self._leg is not None and other._leg is not None:
            self._leg.transfer_to(other._leg, headers)

    def _transfer_over(self, done: bool) -> None:
        other, self._consulted = self._consulted, None
        for call in (self, other):
            if call is not None:
                call._advance(fsm.TransferOver(done))

    def _transfer_asked(self, target: str, *, accepted: bool, new_call: str = "") -> None:
        self._tell(
            events.CallTransferAsked(
                call=self.id, account=self.account.id, target=target, accepted=accepted, new_call=new_call
            )
        )

    def transferred(self, target: str, new_call: str) -> None:
        """The far end sent us to `target`, and `new_call` calls there."""
        self._transfer_asked(target, accepted=True, new_call=new_call)

    def end(self, intent: str = "local_hangup", headers: HeaderLines = NO_HEADERS) -> None:
        """Hangs up, cancels or declines, as the state asks for. Ending an ended call does nothing."""
        self._added = headers
        self._advance(fsm.EndWanted(intent))

    def send_digits(self, digits: str, method: str, duration_ms: int, pause_ms: int) -> None:
        """Queues digits; `call.digits_sent` tells when they are out. Raises Conflict, UsageError."""
        self._needs("take digits", "active")
        if self._digits is not None:
            wanted = self.account.dtmf if method == "auto" else method
            self._digits.send(digits, wanted, duration_ms, pause_ms)

    def needs_media(self, what: str) -> None:
        """Raises Conflict if the call is over or on its way there."""
        self._needs(what, "dialing", "ringing", "early", "incoming", "answering", "active")

    def needs_conference(self) -> None:
        """Raises Conflict if the call cannot become a member of a conference."""
        self._needs("be in a conference", "active")
        if self.conference:
            raise Conflict(f"call {self.id} is in conference {self.conference} already")

    def _needs(self, what: str, *phases: str) -> None:
        if self._state.phase not in phases:
            wanted = " or ".join(phases) if len(phases) < 3 else "running"
            raise Conflict(f"call {self.id} is {self._state.phase}: it must be {wanted} to {what}")

    def route(self, route: AudioRoute) -> None:
        """Where the call's sound goes from the answer on."""
        self._route = route
        self.sounds.plan_route(route)

    async def set_audio(self, route: AudioRoute) -> None:
        """Moves the call's sound elsewhere, now or from the answer on. Raises MediaError."""
        await self.sounds.set_route(route, live=self._state.phase == "active")
        self._route = route
        self._tell(
            events.AudioRouted(
                call=self.id,
                account=self.account.id,
                route=route.route,
                input=route.input or "",
                output=route.output or "",
                file=route.file or "",
            )
        )

    def set_gains(self, input_db: float | None, output_db: float | None) -> None:
        """Makes microphone and loudspeaker louder, dB (None: as they are). Raises Conflict."""
        self.needs_media("have its gains set")
        self._route = self.sounds.set_gains(self._route, input_db, output_db)

    def measure(self) -> StreamQuality | None:
        """The media's figures so far."""
        if self._leg is not None and not self._state.over:
            self._quality = self._leg.quality() or self._quality
        return self._quality

    def watch(self, now_s: float) -> None:
        """One look of the watchers; nothing needs watching before the answer, where ringing has its own limit."""
        if self._state.phase == "active":
            self._watch.look(now_s, self.measure(), self._media, held=bool(self._hold.by))

    def figures(self) -> dict[str, Any] | None:
        """The media's figures as everybody sees them; None while there is no media."""
        return self._watch.figures(self.measure())

    # ---- the machine

    def _advance(self, what: fsm.Input) -> None:
        before = self._state.phase
        self._state, actions = fsm.step(self._state, what)
        if self._state.phase != before:
            log.info("call %s: %s -> %s", self.id, before, self._state.phase)
            if before == "incoming":
                self._world.ringer.stop(self.id)
        for action in actions:
            self._do(action)

    def _do(self, action: fsm.Action) -> None:
        leg = self._leg
        match action:
            case StartTimer(name, delay_s):
                self._timers.set(name, delay_s, lambda: self._advance(TimerFired(name)))
            case StopTimer(name):
                self._timers.cancel(name)
            case fsm.TellProgress(code, reason, early_media, headers):
                self._tell(
                    events.CallProgress(
                        call=self.id,
                        account=self.account.id,
                        code=code,
                        reason=reason,
                        early_media=early_media,
                        headers=telling(headers),
                    )
                )
            case fsm.TellAnswered(by, headers):
                self._answered(by, headers)
            case fsm.TellEnded(ending):
                self._ended(ending)
            case fsm.SendRinging() if leg:
                leg.ring()
                self._world.ringer.ring(self.id, self.account.id, self.account.ringer)
            case fsm.SendAnswer() if leg:
                leg.answer(self._added)
            case fsm.SendReject(code, reason) if leg:
                leg.reject(code, reason, self._added)
            case fsm.SendRedirect(target) if leg:
                leg.redirect(target)
            case fsm.SendHangUp() if leg:
                leg.hang_up(self._added)

    def _answered(self, by: str, headers: Headers) -> None:
        self._answered_s = time.time()
        self._tell(events.CallAnswered(call=self.id, account=self.account.id, by=by, headers=telling(headers)))
        self.sounds.answered()
        if self._media.codec:  # agreed before the answer counted
            self._hold.seen(self._media)

    def _ended(self, ending: Ending) -> None:
        self.measure()
        self._ended_s = time.time()
        self._end = ending
        self._timers.close()
        if self._digits is not None:
            self._digits.close("the call ended")
        self._speaker.close()
        self._ear.close()
        self.collector.call_over()
        self._hold.close()
        self._transfer.call_over(bye=False)
        self._consulted = None
        self.sounds.call_over()
        self._place.close()
        self._tell(
            events.CallEnded(
                call=self.id,
                account=self.account.id,
                duration_s=round(self.duration_s, 3),
                quality=self._watch.figures(self._quality),
                **asdict(ending),
            )
        )
        self._on_over(self)

    def _digits_done(self, outcome: Outcome) -> None:
        if outcome.cause:
            self._tell(
                events.CallDigitsFailed(
                    call=self.id,
                    account=self.account.id,
                    digits=outcome.digits,
                    sent=outcome.sent,
                    cause=outcome.cause,
                )
            )
            return
        self._tell(
            events.CallDigitsSent(call=self.id, account=self.account.id, digits=outcome.digits, method=outcome.method)
        )

    def _tell(self, event: events.Event) -> None:
        self._world.bus.publish(event)

    # ---- what it looks like

    @property
    def over(self) -> bool:
        return self._state.over

    @property
    def phase(self) -> str:
        return self._state.phase

    @property
    def port(self) -> Port:
        """Where others connect to; another one after each change of media, with all connections."""
        return self._place.shown

    @property
    def duration_s(self) -> float:
        """Seconds since the answer, 0 where there was none."""
        if self._answered_s is None:
            return 0.0
        return max(0.0, (self._ended_s or time.time()) - self._answered_s)

    def view(self) -> CallView:
        media = self._media
        return CallView(
            id=self.id,
            account=self.account.id,
            direction="out" if self._state.outgoing else "in",
            state=self._state.phase,
            remote=self.remote,
            remote_name=self._remote_name,
            called=self._called,
            sip_call_id=self._leg.sip_call_id if self._leg else "",
            headers=self._headers,
            created=iso(self._created_s),
            answered=iso_or_none(self._answered_s),
            ended=iso_or_none(self._ended_s),
            duration_s=round(self.duration_s, 3),
            codec=media.codec,
            clock_rate_hz=media.clock_rate_hz,
            direction_media=media.direction if media.codec else "",
            srtp=media.srtp,
            path=PathView(**asdict(media.path)),
            srtp_keying=media.srtp_keying,
            held_by=self._hold.by,
            muted=self._place.muted,
            conference=self.conference or None,
            early_media=self._early_media,
            plays=self.sounds.plays(),
            records=self.sounds.records(),
            audio=self._route,
            sound=self.sounds.view(self._place.leg),
            end=CallEnd(**asdict(self._end)) if self._end else None,
            quality=self.figures(),
        )
