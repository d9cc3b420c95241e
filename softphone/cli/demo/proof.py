"""The proof that a sound arrived: every note of the prompt is looked for in the recording, by itself.

A jitter buffer that grows while the machine is busy moves what follows by some frames. The whole prompt would then fit
nowhere, though a listener hears all of it; its notes still do.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from softphone.cli.demo.prompt import NOTE_S
from softphone.errors import SoftphoneError
from softphone.testing.audio import Sound, find_parts

ENOUGH = 0.8  # the share of the notes that must be there


@dataclass(frozen=True, slots=True)
class Proof:
    """How much of what was said is in a recording. `likeness`: normalised cross-correlation, 1 is the same wave."""

    heard: int
    of: int
    likeness: float
    lag_s: float

    def __str__(self) -> str:
        return f"{self.heard} of {self.of} notes, likeness {self.likeness:.3f} of 1"


def look_for(said: Sound, recording: Sound) -> Proof:
    """Finds the notes; likeness and lag are the middle ones of those found."""
    matches = find_parts(said, recording, NOTE_S)
    heard = [match for match in matches if match.heard]
    best = heard or matches
    return Proof(len(heard), len(matches), median(m.score for m in best), median(m.lag_s for m in best))


def must_be_heard(said: Sound, recording: Sound, what: str) -> Proof:
    """The same; raises SoftphoneError if too little of it is there. `what` names the recording."""
    proof = look_for(said, recording)
    if proof.heard < ENOUGH * proof.of:
        raise SoftphoneError(f"{what} does not hold what was said: {proof}")
    return proof
