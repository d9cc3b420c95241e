"""A voice menu with two levels: digits choose, wrong ones and silence are noticed, calls go on to extensions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from softphone.lab.media.prompts import phrase
from softphone.lab.sip.service_call import ServiceCall

INPUT_S = 4.0  # how long it waits for a digit
NEXT_DIGIT_S = 2.0  # and within a number
ATTEMPTS = 3
MAX_DIGITS = 12

Kind = Literal["menu", "dial", "ask", "back", "say", "hang up"]


@dataclass(frozen=True)
class Choice:
    """What a digit does: go to a menu, dial a number, ask for one, go back, say a phrase, or hang up."""

    kind: Kind
    goal: str = ""


@dataclass(frozen=True)
class Menu:
    """A level: its phrase, and what its digits do."""

    prompt: str
    choices: dict[str, Choice] = field(default_factory=dict)


MENUS = {
    "main": Menu(
        "main menu",
        {
            "0": Choice("dial", "operator"),
            "1": Choice("ask"),
            "2": Choice("menu", "departments"),
            "3": Choice("say", "message"),
            "#": Choice("hang up"),
        },
    ),
    "departments": Menu(
        "departments",
        {
            "1": Choice("dial", "9196"),
            "2": Choice("dial", "9197"),
            "3": Choice("ask"),
            "*": Choice("back"),
            "#": Choice("hang up"),
        },
    ),
}


async def menu(call: ServiceCall) -> None:
    """Answer, and lead through the menus until the caller is connected, gives up, or fails three times in a row."""
    await call.answer()
    await _Ivr(call).run()


class _Ivr:
    def __init__(self, call: ServiceCall) -> None:
        self._call = call
        self._path = ["main"]
        self._failures = 0

    async def run(self) -> None:
        while self._failures < ATTEMPTS:
            name = self._path[-1]
            digit = await self._ask(MENUS[name].prompt)
            choice = MENUS[name].choices.get(digit)
            self._tell(name, digit, choice.kind if choice is not None else "invalid" if digit else "no input")
            if choice is None:
                self._failures += 1
                await self._say("invalid" if digit else "no input")
                continue
            self._failures = 0
            if choice.kind == "hang up" or await self._choose(choice):
                break
        await self._say("goodbye")
        await self._call.hang_up("menu over")

    async def _choose(self, choice: Choice) -> bool:
        """Do it; True if the call is over with that."""
        match choice.kind:
            case "menu":
                self._path.append(choice.goal)
            case "back":
                self._path.pop()
            case "say":
                await self._say(choice.goal)
            case "ask":
                return await self._dial(await self._number())
            case "dial":
                return await self._dial(self._call.operator if choice.goal == "operator" else choice.goal)
        return False

    async def _number(self) -> str:
        """Digits until # or a pause."""
        number = await self._ask("enter extension")
        while number and not number.endswith("#") and len(number) < MAX_DIGITS:
            digit = await self._digit(NEXT_DIGIT_S)
            if not digit:
                break
            number += digit
        return number.removesuffix("#")

    async def _dial(self, number: str) -> bool:
        self._tell(self._path[-1], number, "transfer")
        if number and await self._call.dial(number):
            return True
        await self._say("unavailable")
        return False

    async def _ask(self, prompt: str) -> str:
        """Say it, and take a digit, during it or after it; "" for none."""
        playing = asyncio.create_task(self._call.media.play(phrase(prompt)), name="prompt")
        digit = asyncio.create_task(self._call.digits.get(), name="digit")
        try:
            await asyncio.wait({playing, digit}, return_when=asyncio.FIRST_COMPLETED)
            if not digit.done():
                await asyncio.wait({digit}, timeout=INPUT_S)
            return digit.result() if digit.done() else ""
        finally:
            for task in (playing, digit):
                task.cancel()
            await asyncio.gather(playing, digit, return_exceptions=True)

    async def _digit(self, patience_s: float) -> str:
        try:
            async with asyncio.timeout(patience_s):
                return await self._call.digits.get()
        except TimeoutError:
            return ""

    async def _say(self, name: str) -> None:
        await self._call.media.play(phrase(name))

    def _tell(self, name: str, digit: str, result: str) -> None:
        record = self._call.record
        record.events.emit("menu", call=record.uuid, domain=record.domain, menu=name, digits=digit, result=result)
