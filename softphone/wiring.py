"""Puts the phone together: the only file that names concrete stacks."""

from __future__ import annotations

from collections.abc import Iterable

from softphone.agent import Agent
from softphone.bus import Bus
from softphone.config.instance import instance_urn
from softphone.config.model import Config
from softphone.stacks.pjsip.settings import StackOptions
from softphone.stacks.pjsip.stack import PjStack
from softphone.stacks.webrtc.stack import WebRtcStack

_NARROWBAND = frozenset({"pcma", "pcmu", "gsm"})


def build(config: Config) -> Agent:
    """An agent on PJSIP, with handsets by WebRTC; not started yet."""
    codecs = (codec for account in config.accounts for codec in account.codecs)
    echo = config.media.echo_cancel.enabled and any(account.audio.kind == "device" for account in config.accounts)
    options = StackOptions(
        sip=config.sip,
        media=config.media,
        max_calls=config.calls.max_calls,
        clock_rate_hz=mixer_rate_hz(config.media.clock_rate_hz, codecs, echo=echo),
        instance=instance_urn(config.sip.instance_id, config.control.socket),
    )
    stack = PjStack(options)
    handsets = WebRtcStack(lambda: stack.mixer, opus_rate_hz=options.clock_rate_hz)
    return Agent(config, stack, Bus(history=config.control.event_history), handsets)


def mixer_rate_hz(wanted: int | str, codecs: Iterable[str], *, echo: bool) -> int:
    """The mixer's rate; `auto` is 8000 when nothing wider is spoken, which halves the cost of a call.

    echo: echo is to be cancelled; the good canceller works from 16 kHz on.
    """
    if isinstance(wanted, int):
        return wanted
    return 8000 if set(codecs) <= _NARROWBAND and not echo else 16000
