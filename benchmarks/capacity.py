"""What a call costs: processor time, memory, frames that come late; our phone and pjsua side by side.

Both run at the same time with the same number of calls and are read at the same moments: what disturbs one disturbs
the other, so their ratio holds on a busy machine too. Each round is two new processes. Where one of them with its far
end may need most of the machine (`apart`), they run one after the other, by turns.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.farside import FarSide
from benchmarks.phones import Does, Phone, Pjsua, Settings, Softphone
from benchmarks.processes import BenchError, cpu_s, memory_mb, spent_s
from benchmarks.sound import write_wav

SOUND_LEAST = 0.4
"""Less sound than this share of the packets, where a file should be heard all the time, is not the work meant."""

SETTLE_S = 1.0
"""From the last connection until the figures count: jitter buffers have settled by then."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One phone with `calls` calls over one window."""

    phone: str
    calls: int
    cpu_ms: float  # per call and second
    memory_mb: float  # per call
    packets: int  # that reached the far end
    late: int
    lost: int
    worst_gap_ms: float
    sound: float  # share of the packets due that came and were no silence


Round = list[Sample]


Kind = type[Softphone] | type[Pjsua]
BOTH: tuple[Kind, ...] = (Softphone, Pjsua)


@contextmanager
def running(settings: Settings, kinds: Sequence[Kind]) -> Iterator[list[Phone]]:
    """These phones, each with a far end of its own, no calls yet."""
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        wav = write_wav(Path(folder) / "speech.wav")
        phones: list[Phone] = []
        for kind in kinds:
            own = Path(folder) / kind.name
            own.mkdir()
            far = stack.enter_context(FarSide(settings.codec, own))
            phones.append(stack.enter_context(kind(far, settings, wav, own)))
        yield phones


def one_round(settings: Settings, counts: Sequence[int], window_s: float, *, apart: bool = False) -> Round:
    """Both phones from the start through growing numbers of calls."""
    groups = [[kind] for kind in BOTH] if apart else [BOTH]
    return [sample for kinds in groups for sample in _grown(settings, kinds, counts, window_s)]


def _grown(settings: Settings, kinds: Sequence[Kind], counts: Sequence[int], window_s: float) -> Round:
    with running(settings, kinds) as phones:
        for phone in phones:
            phone.dial_up_to(1)  # what the first call of a process allocates is not the price of a call
        time.sleep(SETTLE_S)
        base_mb = {phone: memory_mb(phone.pid) for phone in phones}
        samples = []
        for count in counts:
            for phone in phones:
                phone.dial_up_to(count)
            time.sleep(SETTLE_S)
            windows = [_Window(phone) for phone in phones]
            time.sleep(window_s)
            samples += [window.close(base_mb[window.phone]) for window in windows]
        return samples


class _Window:
    """The books of one phone over one stretch of time."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        phone.far.reset()
        self._cpu_s, self._start_s = cpu_s(phone.pid), time.monotonic()

    def close(self, base_mb: float) -> Sample:
        phone, count = self.phone, self.phone.calls
        after, lasted_s = cpu_s(phone.pid), time.monotonic() - self._start_s
        heard = phone.far.report()["heard"]
        phone.child.alive()
        if heard["calls"] != count:
            raise BenchError(f"{phone.name}: {heard['calls']} of {count} calls were heard at the far end")
        sound = heard["changed"] / (count * lasted_s * 50)
        if phone.does is not Does.NOTHING and sound < SOUND_LEAST:
            raise BenchError(f"{phone.name}: only {sound:.0%} of its packets were sound")
        return Sample(
            phone.name,
            count,
            cpu_ms=spent_s(self._cpu_s, after) * 1000 / lasted_s / count,
            memory_mb=(memory_mb(phone.pid) - base_mb) / max(1, count - 1),
            packets=heard["packets"],
            late=heard["late"],
            lost=heard["lost"],
            worst_gap_ms=heard["worst_gap_ms"],
            sound=sound,
        )


def rounds(
    settings: Settings, counts: Sequence[int], *, repeats: int, window_s: float, say: Say, apart: bool = False
) -> list[Round]:
    """So many rounds, told as they begin."""
    found = []
    for number in range(repeats):
        say(f"{settings.name}: round {number + 1} of {repeats}")
        found.append(one_round(settings, counts, window_s, apart=apart))
    return found
