"""Work that may block, on threads that may be left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from softphone.stacks.pjsip.helpers import Helpers

WITHIN_S = 10


@pytest.fixture
def helpers() -> Iterator[Helpers]:
    made = Helpers("helper", lambda: None)
    yield made
    made.close()


def test_an_idle_thread_is_used_again(helpers: Helpers) -> None:
    used = {helpers.run(threading.get_ident).result(WITHIN_S) for _ in range(20)}
    assert len(used) == 1
    assert threading.get_ident() not in used


def test_work_never_waits_for_work_that_hangs(helpers: Helpers) -> None:
    go_on = threading.Event()
    stuck = helpers.run(lambda: go_on.wait(WITHIN_S))
    assert helpers.run(lambda: 7).result(WITHIN_S) == 7
    assert not stuck.done()
    go_on.set()
    assert stuck.result(WITHIN_S)


def test_an_error_belongs_to_whoever_asked(helpers: Helpers) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        helpers.run(fail).result(WITHIN_S)
    assert helpers.run(lambda: 7).result(WITHIN_S) == 7


def test_each_thread_enrols_once_and_ends_at_close() -> None:
    enrolled: list[threading.Thread] = []
    helpers = Helpers("helper", lambda: enrolled.append(threading.current_thread()))
    ask: Callable[[], int] = lambda: helpers.run(lambda: 7).result(WITHIN_S)  # noqa: E731
    assert (ask(), ask()) == (7, 7)
    assert len(enrolled) == 1
    assert enrolled[0].daemon
    helpers.close()
    enrolled[0].join(WITHIN_S)
    assert not enrolled[0].is_alive()
