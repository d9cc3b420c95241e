"""Objects of ended calls stay for some seconds, and no longer than until the next one comes."""

from __future__ import annotations

import weakref

from softphone.stacks.pjsip.graveyard import KEPT_S, Graveyard


class Call:
    """Stands for PJSIP's."""


def test_a_call_is_kept_for_its_time() -> None:
    now = 0.0
    yard = Graveyard(lambda: now)
    call = Call()
    first = weakref.ref(call)
    yard.bury(call)
    del call
    now = KEPT_S / 2
    yard.bury(Call())
    assert first() is not None
    now = KEPT_S
    yard.bury(Call())
    assert first() is None


def test_none_is_left_at_the_end() -> None:
    yard = Graveyard()
    call = Call()
    last = weakref.ref(call)
    yard.bury(call)
    del call
    yard.clear()
    assert last() is None
