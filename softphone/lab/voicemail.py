"""Voicemail: a greeting, a beep, a recording; and a number that plays what was left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from softphone.lab.directory import Extension
from softphone.lab.events import EventLog
from softphone.lab.media import g711
from softphone.lab.media.prompts import beep, phrase
from softphone.lab.sip.service_call import ServiceCall

RATE_HZ = 8000
SILENCE_S = 3.0
MAX_MESSAGE_S = 60.0
MAX_MESSAGES = 50
LOUD = 256  # a sample above this, of 32767, is no silence: about -42 dBFS
LOUD_SHARE = 20  # one sample in so many makes a packet loud

_LOUD_BYTES = {
    "PCMU": frozenset(code for code in range(256) if abs(g711.decode_ulaw(code)) > LOUD),
    "PCMA": frozenset(code for code in range(256) if abs(g711.decode_alaw(code)) > LOUD),
}


@dataclass(frozen=True)
class VoiceMessage:
    """One message; `payload` is G.711 in the codec named."""

    caller: str
    codec: str
    payload: bytes = field(repr=False)
    at: float = field(default_factory=time.time)

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return len(self.payload) / RATE_HZ


class Mailboxes:
    """The messages of every extension. `on_change` hears of it when a box gets another number of messages."""

    def __init__(self, events: EventLog, on_change: Callable[[str, str, int], None]) -> None:
        self._events = events
        self._on_change = on_change
        self._boxes: dict[tuple[str, str], list[VoiceMessage]] = {}

    def of(self, domain: str, number: str) -> list[VoiceMessage]:
        """The messages of an extension, oldest first."""
        return self._boxes.setdefault((domain, number), [])

    def leave(self, domain: str, number: str, message: VoiceMessage, *, call: str, ended_by: str) -> None:
        """Keep a message; of too many, the oldest goes."""
        box = self.of(domain, number)
        box.append(message)
        del box[:-MAX_MESSAGES]
        self._events.emit(
            "voicemail_left",
            call=call,
            domain=domain,
            extension=number,
            caller=message.caller,
            duration_s=round(message.duration_s, 2),
            ended_by=ended_by,
        )
        self._on_change(domain, number, len(box))

    def delete(self, domain: str, number: str, message: VoiceMessage) -> None:
        """Throw a message away."""
        box = self.of(domain, number)
        if message in box:
            box.remove(message)
            self._on_change(domain, number, len(box))


class _Recorder:
    """Collects what a phone says, and notices when it says nothing more."""

    def __init__(self) -> None:
        self.payload = bytearray()
        self.codec = ""
        self.heard_at = time.monotonic()

    def take(self, payload: bytes, codec: str) -> None:
        """One packet."""
        loud = _LOUD_BYTES.get(codec)
        if loud is None or (self.codec and codec != self.codec):
            return
        self.codec = codec
        self.payload += payload
        if sum(code in loud for code in payload) * LOUD_SHARE > len(payload):
            self.heard_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """How much there is."""
        return len(self.payload) / RATE_HZ


async def leave_message(call: ServiceCall) -> None:
    """Greet, beep, record until #, three seconds of silence, the longest time, or the caller hangs up."""
    await call.answer()
    await call.media.play(phrase("greeting"))
    await call.media.play(beep())
    recorder = _Recorder()
    call.media.listener = recorder.take
    record = call.record
    record.events.emit("voicemail_recording", call=record.uuid, domain=record.domain, extension=mailbox_of(call))
    ended_by = "hang up"
    try:
        ended_by = await _recorded(call, recorder)
    finally:
        call.media.listener = None
        _keep(call, recorder, ended_by)
    await call.media.play(phrase("saved"))
    await call.hang_up("message left")


async def _recorded(call: ServiceCall, recorder: _Recorder) -> str:
    while True:
        quiet_s = time.monotonic() - recorder.heard_at
        if quiet_s >= SILENCE_S:
            return "silence"
        if recorder.seconds >= MAX_MESSAGE_S:
            return "limit"
        try:
            async with asyncio.timeout(min(SILENCE_S - quiet_s, 1.0)):
                if await call.digits.get() == "#":
                    return "#"
        except TimeoutError:
            continue


def _keep(call: ServiceCall, recorder: _Recorder, ended_by: str) -> None:
    if not recorder.payload:
        return
    owner, record = mailbox_of(call), call.record
    message = VoiceMessage(record.caller, recorder.codec, bytes(recorder.payload))
    call.host.mailboxes.leave(record.domain, owner, message, call=record.uuid, ended_by=ended_by)


def mailbox_of(call: ServiceCall) -> str:
    """Whose box a call is about: the extension that was called, else (a service number) the caller's own."""
    called = [party.extension for party in call.record.parties if party.direction == "inbound"]
    return called[-1] if called else call.record.caller


async def play_messages(call: ServiceCall) -> None:
    """Play the caller's own messages, each after a double beep: # goes on, 1 repeats, 7 deletes, * ends."""
    await call.answer()
    record, boxes = call.record, call.host.mailboxes
    messages = list(boxes.of(record.domain, record.caller))
    while messages:
        await call.media.play(phrase("message"))
        digit = await _heard(call, messages[0])
        if digit == "*":
            break
        if digit == "7":
            boxes.delete(record.domain, record.caller, messages[0])
        if digit != "1":
            messages.pop(0)
    await call.media.play(phrase("no messages"))
    await call.hang_up("mailbox over")


async def _heard(call: ServiceCall, message: VoiceMessage) -> str:
    """Play a message; a digit cuts it short, and a while after it there is time for one."""
    playing = asyncio.create_task(call.media.play_recorded(message.codec, message.payload), name="message")
    digit = asyncio.create_task(call.digits.get(), name="digit")
    try:
        await asyncio.wait({playing, digit}, return_when=asyncio.FIRST_COMPLETED)
        if not digit.done():
            await asyncio.wait({digit}, timeout=SILENCE_S)
        return digit.result() if digit.done() else ""
    finally:
        for task in (playing, digit):
            task.cancel()
        await asyncio.gather(playing, digit, return_exceptions=True)


def summary(extension: Extension, count: int) -> bytes:
    """The body of a message-summary NOTIFY (RFC 3842)."""
    lines = (
        f"Messages-Waiting: {'yes' if count else 'no'}",
        f"Message-Account: sip:{extension.aor}",
        f"Voice-Message: {count}/0 (0/0)",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()
