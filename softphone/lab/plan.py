"""The number plan: what the PBX answers by itself. One table, printed by `softphone lab`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from softphone.lab.ivr import menu
from softphone.lab.media.tone import TONE_HZ, melody, tone
from softphone.lab.sip.service_call import ServiceCall
from softphone.lab.voicemail import leave_message, play_messages

COLLECT_SILENCE_S = 3.0
EARLY_S = 2.0
DELAY_S = 3.0


@dataclass(frozen=True)
class Service:
    """One number. `any_codec`: it need not understand the sound, so every codec will do."""

    number: str
    name: str
    description: str
    run: Callable[[ServiceCall], Awaitable[None]]
    any_codec: bool = False


async def echo(call: ServiceCall) -> None:
    """Answer at once and send every packet back, until the caller hangs up."""
    call.media.echo = True
    await call.answer()
    await call.leg.ended


async def play_tone(call: ServiceCall) -> None:
    """Answer at once and play 1004 Hz until the caller hangs up."""
    await call.answer()
    await call.media.play(tone(TONE_HZ, 1000), repeat=True)


async def announcement(call: ServiceCall) -> None:
    """Answer, play four notes, hang up: a BYE from the PBX."""
    await call.answer()
    await call.media.play(melody())
    await call.hang_up("announcement over")


async def silence(call: ServiceCall) -> None:
    """Answer, and send neither sound nor reports: media that a firewall swallows."""
    call.media.dead = True
    await call.answer()
    await call.leg.ended


async def read_back(call: ServiceCall) -> None:
    """Answer, collect digits until # or a silence, send them back; then wait for more."""
    await call.answer()
    while True:
        digits = await _collect(call)
        call.record.events.emit("digits", call=call.record.uuid, digits=digits)
        await call.send_digits(digits)


async def _collect(call: ServiceCall) -> str:
    digits = await call.digits.get()
    while not digits.endswith("#"):
        try:
            async with asyncio.timeout(COLLECT_SILENCE_S):
                digits += await call.digits.get()
        except TimeoutError:
            break
    return digits.removesuffix("#") or digits


async def late_echo(call: ServiceCall) -> None:
    """Ring for three seconds, then echo."""
    call.ring()
    await asyncio.sleep(DELAY_S)
    await echo(call)


async def early_media(call: ServiceCall) -> None:
    """Play the tone before the answer (183) for two seconds, then answer and echo."""
    call.early_media()
    try:
        async with asyncio.timeout(EARLY_S):
            await call.media.play(tone(TONE_HZ, 1000), repeat=True)
    except TimeoutError:
        await echo(call)


async def busy(call: ServiceCall) -> None:
    """486."""
    call.reject(486, "busy")


async def missing(call: ServiceCall) -> None:
    """404."""
    call.reject(404, "no such number")


async def no_answer(call: ServiceCall) -> None:
    """Ring until the PBX's no-answer time is over (480), or the caller gives up."""
    call.ring()
    await asyncio.sleep(call.no_answer_s)
    call.reject(480, "no answer")


SERVICES = (
    Service("9180", "late echo", "rings 3 s, answers, then echoes", late_echo, any_codec=True),
    Service("9183", "early media", f"183 with {TONE_HZ} Hz for 2 s, then answers and echoes", early_media),
    Service("9195", "announcement", "answers, plays four notes (0.8 s), hangs up", announcement),
    Service("9196", "echo", "answers and sends every packet back, whatever the codec", echo, any_codec=True),
    Service("9197", "tone", f"answers and plays {TONE_HZ} Hz (PCMU, PCMA)", play_tone),
    Service("9198", "silence", "answers and sends neither RTP nor RTCP", silence, any_codec=True),
    Service("9199", "digits", "answers, collects digits until # or 3 s of silence, sends them back", read_back),
    Service("9300", "voice menu", "two levels: 0 operator, 1 an extension, 2 departments, 3 a phrase, # ends", menu),
    Service("9310", "voicemail", "greeting, beep, records until # or 3 s of silence", leave_message),
    Service("9311", "messages", "plays the caller's messages: # next, 1 again, 7 deletes, * ends", play_messages),
    Service("9404", "unknown", "404 Not Found", missing, any_codec=True),
    Service("9480", "no answer", "rings until the no-answer time, then 480", no_answer, any_codec=True),
    Service("9486", "busy", "486 Busy Here", busy, any_codec=True),
)


def number_plan() -> dict[str, Service]:
    """The services by number."""
    return {service.number: service for service in SERVICES}
