"""What every call and account shares: handed down once, never looked up."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from softphone.aio import Tasks
from softphone.bus import Bus
from softphone.config.model import Calls, Media, Quality, Sip
from softphone.engine.ringer import Ringer
from softphone.media.graph import MediaGraph
from softphone.media.ports import SoundMixer
from softphone.media.prompts import Prompts


@dataclass(frozen=True, slots=True)
class World:
    """The surroundings of calls and accounts."""

    bus: Bus
    mixer: SoundMixer
    graph: MediaGraph
    calls: Calls
    media: Media
    sip: Sip
    quality: Quality
    ringer: Ringer
    prompts: Prompts
    new_id: Callable[[str], str]
    tasks: Tasks

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Background work of a call; nothing starts any more once the agent has stopped."""
        if self.tasks.closed:
            work.close()
        else:
            self.tasks.spawn(work, name)


def iso(time_s: float) -> str:
    """Unix time as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(time_s: float | None) -> str | None:
    return None if time_s is None else iso(time_s)
