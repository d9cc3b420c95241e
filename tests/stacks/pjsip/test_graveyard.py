"""Objects of ended calls stay for some seconds, and no longer."""

from __future__ import annotations

import asyncio
import weakref

import pytest

from softphone.stacks.pjsip import graveyard
from softphone.stacks.pjsip.graveyard import Graveyard
from tests.support.until import until


class Call:
    """Stands for PJSIP's."""


def test_a_call_is_kept_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        yard = Graveyard()
        seen = []
        for _ in range(3):
            call = Call()
            seen.append(weakref.ref(call))
            yard.bury(call)
            del call
        assert all(each() is not None for each in seen)
        await until(lambda: all(each() is None for each in seen))

    monkeypatch.setattr(graveyard, "KEPT_S", 0.05)
    asyncio.run(play())


def test_none_is_left_at_the_end() -> None:
    async def play() -> None:
        yard = Graveyard()
        call = Call()
        last = weakref.ref(call)
        yard.bury(call)
        del call
        yard.clear()
        assert last() is None

    asyncio.run(play())
