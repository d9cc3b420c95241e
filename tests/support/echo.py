"""Whether sound goes out and comes back: what the phone says to an echo is heard again."""

from __future__ import annotations

import itertools
from pathlib import Path

from softphone.testing.audio import heard_share, read_wav, speech_like, write_wav
from tests.support.phone import Phone

SAYS_S = 1.5
WAY_S = 1.0
"""There and back, with the delays of both jitter buffers."""

_names = itertools.count(1)


async def echoes(phone: Phone, call: str, folder: Path) -> bool:
    """Says something in a running call to an echo service, and tells whether it came back."""
    said = speech_like(SAYS_S, seed=next(_names))
    name = f"echo-{next(_names)}"
    write_wav(folder / f"{name}-said.wav", said)
    heard = folder / f"{name}-heard.wav"
    record = await phone.agent.record(call, str(heard), mode="stereo", max_duration_s=SAYS_S + WAY_S)
    await phone.agent.play(call, str(folder / f"{name}-said.wav"))
    await phone.told("record.ended", call=call, record=record, reason="max_duration")
    return heard_share(said, read_wav(heard, channel=0), part_s=0.25) >= 0.4
