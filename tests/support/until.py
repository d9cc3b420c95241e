"""Waiting for what no event tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object], *, within_s: float = 10.0, every_s: float = 0.01) -> None:
    """Returns as soon as `true()` is; fails after `within_s` seconds."""
    try:
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise AssertionError(f"not so within {within_s} s: {true}") from None
