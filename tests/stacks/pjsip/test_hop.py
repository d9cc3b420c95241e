"""The one way from PJSIP's threads to the loop: in order, never raising, silent after its end."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from softphone.stacks.pjsip.hop import Hop, callback


def test_posts_arrive_on_the_loop_in_order() -> None:
    async def play() -> list[tuple[int, bool]]:
        hop = Hop(asyncio.get_running_loop())
        seen: list[tuple[int, bool]] = []
        done = asyncio.Event()
        here = threading.get_ident()

        def work() -> None:
            for n in range(500):
                hop.post(lambda n: seen.append((n, threading.get_ident() == here)), n)
            hop.post(done.set)

        thread = threading.Thread(target=work)
        thread.start()
        await asyncio.wait_for(done.wait(), 5)
        thread.join()
        return seen

    assert asyncio.run(play()) == [(n, True) for n in range(500)]


def test_after_close_nothing_happens() -> None:
    async def play() -> list[int]:
        seen: list[int] = []
        hop = Hop(asyncio.get_running_loop())
        hop.close()
        hop.post(seen.append, 1)
        hop.close()
        await asyncio.sleep(0)
        return seen

    assert asyncio.run(play()) == []


def test_a_loop_that_is_gone() -> None:
    loop = asyncio.new_event_loop()
    hop = Hop(loop)
    loop.close()
    hop.post(print)
    hop.post(print)


class Voice:
    @callback
    def speak(self, error: BaseException | None) -> str:
        """Says it."""
        if error is not None:
            raise error
        return "said"


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_nothing_crosses_into_c(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert Voice().speak(error) is None
    assert "Voice.speak" in caplog.text


def test_a_callback_that_works() -> None:
    assert Voice().speak(None) == "said"
    assert Voice.speak.__doc__ == "Says it."
