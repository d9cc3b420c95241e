"""Each message of a page as a method of the phone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from typing import Any

from softphone.engine.views import AudioRoute
from softphone.web import messages as m
from softphone.web.api import PhoneApi

Result = dict[str, Any] | list[dict[str, Any]]
Work = Result | Coroutine[Any, Any, Result]
"""What a command brings: at once, or after a while."""

Handler = Callable[[PhoneApi, Any], Work]


def run(phone: PhoneApi, command: m.AnyCommand) -> Work:
    """Carries a command out. Raises SoftphoneError, at once or from the coroutine."""
    return _HANDLERS[type(command)](phone, command)


async def _dial(phone: PhoneApi, wish: m.Dial) -> Result:
    if wish.handset is None:
        return asdict(phone.dial(wish.target, account=wish.account))
    phone.handset(wish.handset)  # nobody is called for a handset that is not there
    call = phone.dial(wish.target, account=wish.account, audio=AudioRoute())
    await phone.attach_handset(wish.handset, call.id)
    return asdict(phone.call(call.id))


async def _answer(phone: PhoneApi, wish: m.Answer) -> Result:
    if wish.handset is not None:  # first, so that not a word is lost
        await phone.attach_handset(wish.handset, wish.call, "talk", take_over=True)
    phone.answer(wish.call)
    return {}


def _reject(phone: PhoneApi, wish: m.Reject) -> Work:
    phone.reject(wish.call)
    return {}


def _hang_up(phone: PhoneApi, wish: m.HangUp) -> Work:
    phone.hang_up(wish.call)
    return {}


def _hold(phone: PhoneApi, wish: m.Hold) -> Work:
    (phone.hold if wish.on else phone.resume)(wish.call)
    return {}


def _mute(phone: PhoneApi, wish: m.Mute) -> Work:
    (phone.mute if wish.on else phone.unmute)(wish.call)
    return {}


def _digits(phone: PhoneApi, wish: m.SendDigits) -> Work:
    phone.send_digits(wish.call, wish.digits.upper())
    return {}


def _transfer(phone: PhoneApi, wish: m.Transfer) -> Work:
    phone.transfer(wish.call, wish.target)
    return {}


def _transfer_to(phone: PhoneApi, wish: m.TransferTo) -> Work:
    phone.transfer_to(wish.call, wish.other)
    return {}


async def _audio(phone: PhoneApi, wish: m.SetAudio) -> Result:
    await phone.set_audio(wish.call, AudioRoute(route=wish.route, input=wish.input, output=wish.output))
    return {}


async def _open_handset(phone: PhoneApi, wish: m.OpenHandset) -> Result:
    handset, answer_sdp = await phone.open_handset(wish.sdp, name=wish.name)
    return {"handset": asdict(handset), "sdp": answer_sdp}


async def _close_handset(phone: PhoneApi, wish: m.CloseHandset) -> Result:
    await phone.close_handset(wish.handset)
    return {}


async def _attach_handset(phone: PhoneApi, wish: m.AttachHandset) -> Result:
    return asdict(await phone.attach_handset(wish.handset, wish.call, wish.mode, take_over=wish.take_over))


def _detach_handset(phone: PhoneApi, wish: m.DetachHandset) -> Work:
    return asdict(phone.detach_handset(wish.handset, wish.call))


def _register(phone: PhoneApi, wish: m.Register) -> Work:
    phone.register(wish.account)
    return {}


def _dnd(phone: PhoneApi, wish: m.SetDnd) -> Work:
    phone.set_dnd(wish.account, wish.on)
    return {}


def _devices(phone: PhoneApi, wish: m.Devices) -> Work:
    return [asdict(device) for device in phone.devices()]


_HANDLERS: Mapping[type[m.Command], Handler] = {
    m.Dial: _dial,
    m.Answer: _answer,
    m.Reject: _reject,
    m.HangUp: _hang_up,
    m.Hold: _hold,
    m.Mute: _mute,
    m.SendDigits: _digits,
    m.Transfer: _transfer,
    m.TransferTo: _transfer_to,
    m.SetAudio: _audio,
    m.OpenHandset: _open_handset,
    m.CloseHandset: _close_handset,
    m.AttachHandset: _attach_handset,
    m.DetachHandset: _detach_handset,
    m.Register: _register,
    m.SetDnd: _dnd,
    m.Devices: _devices,
}
