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


def _dial(phone: PhoneApi, wish: m.Dial) -> Work:
    return asdict(phone.dial(wish.target, account=wish.account))


def _answer(phone: PhoneApi, wish: m.Answer) -> Work:
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
    m.Register: _register,
    m.SetDnd: _dnd,
    m.Devices: _devices,
}
