"""What a browser offers (SDP, RFC 8829), as far as it matters for one audio stream. Errors name what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from softphone.errors import UsageError

MOST_BYTES = 64_000
"""A browser's offer has 3 to 8 kB; with many candidates 20."""

MOST_CANDIDATES = 50

_TOKEN = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`{|}~-]{1,64}")
_ICE_CHARS = re.compile(r"[0-9A-Za-z+/]{4,256}")
_FINGERPRINT = re.compile(r"(sha-256|sha-384|sha-512) ((?:[0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2})", re.IGNORECASE)

_STATIC = {0: ("pcmu", 8000), 8: ("pcma", 8000)}

_ROLES = {"actpass": "active", "active": "passive", "passive": "active"}

_DIRECTIONS = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


@dataclass(frozen=True, slots=True)
class Codec:
    """`name` in lower case: opus, pcmu, pcma, telephone-event, or another."""

    payload_type: int
    name: str
    clock_rate_hz: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A stream that we do not take; the answer has it with port 0."""

    kind: str
    profile: str
    formats: str
    mid: str


@dataclass(frozen=True, slots=True)
class Offer:
    """One audio stream and how to reach the offerer; `refused` are the other streams, with their place in the SDP.

    `candidates` are the values of a=candidate lines. `setup` and `direction` are ours, as the answer says them.
    """

    mid: str
    profile: str
    place: int
    codecs: tuple[Codec, ...]
    ufrag: str
    password: str = field(repr=False)
    ice_lite: bool
    fingerprints: tuple[tuple[str, str], ...]
    setup: str
    direction: str
    candidates: tuple[str, ...]
    bundled: bool
    refused: tuple[tuple[int, Refused], ...]


@dataclass(slots=True)
class _Section:
    """Lines of the session, or of one stream."""

    media: str = ""
    lines: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.lines if key == name]

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


def parse_offer(sdp: str) -> Offer:
    """Raises UsageError, which says what is missing or wrong."""
    session, streams = _sections(sdp)
    place = next((i for i, stream in enumerate(streams) if stream.media.startswith("audio ")), None)
    if place is None:
        raise UsageError("the offer has no audio stream (m=audio)")
    audio = streams[place]
    port, profile, formats = _media(audio)
    if port == "0":
        raise UsageError("the offer's audio stream is switched off (port 0)")
    if "SAVP" not in profile or "TLS" not in profile:
        raise UsageError(f"the offer's audio stream is {profile}: handsets speak UDP/TLS/RTP/SAVPF alone")
    if audio.first("rtcp-mux") is None:
        raise UsageError("the offer's audio stream has no a=rtcp-mux: RTCP has no way of its own here")
    mid = audio.first("mid") or ""
    return Offer(
        mid=_checked(_TOKEN, mid, "a=mid") if mid else "",
        profile=profile,
        place=place,
        codecs=tuple(_codecs(audio, formats)),
        ufrag=_checked(_ICE_CHARS, _needed(audio, session, "ice-ufrag"), "a=ice-ufrag"),
        password=_checked(_ICE_CHARS, _needed(audio, session, "ice-pwd"), "a=ice-pwd", secret=True),
        ice_lite=session.first("ice-lite") is not None,
        fingerprints=_fingerprints(audio.all("fingerprint") or session.all("fingerprint")),
        setup=_setup(audio.first("setup") or session.first("setup") or "actpass"),
        direction=_direction(audio, session),
        candidates=tuple(audio.all("candidate")[:MOST_CANDIDATES]),
        bundled=any(group.startswith("BUNDLE") for group in session.all("group")),
        refused=tuple((i, _refused(stream)) for i, stream in enumerate(streams) if i != place),
    )


def _sections(sdp: str) -> tuple[_Section, list[_Section]]:
    if len(sdp) > MOST_BYTES:
        raise UsageError(f"the offer has {len(sdp)} characters; {MOST_BYTES} are the most")
    if not sdp.startswith("v=0"):
        raise UsageError("the offer is no SDP: it does not begin with v=0")
    sections = [_Section()]
    for number, line in enumerate(sdp.splitlines(), 1):
        if not line:
            continue
        if len(line) < 2 or line[1] != "=":
            raise UsageError(f"line {number} of the offer is no SDP: {line[:60]!r}")
        if line[0] == "m":
            sections.append(_Section(line[2:]))
        elif line[0] == "a":
            name, _, value = line[2:].partition(":")
            sections[-1].lines.append((name, value.strip()))
    return sections[0], sections[1:]


def _media(stream: _Section) -> tuple[str, str, list[str]]:
    words = stream.media.split()
    if len(words) < 4:
        raise UsageError(f"m={stream.media[:60]} of the offer is not complete")
    return words[1], words[2], words[3:]


def _codecs(audio: _Section, formats: list[str]) -> Iterable[Codec]:
    maps: dict[str, str] = {}
    for value in audio.all("rtpmap"):
        number, _, encoding = value.partition(" ")
        maps[number] = encoding
    for number in formats:
        if not number.isascii() or not number.isdigit() or int(number) > 127:
            raise UsageError(f"{number[:20]!r} in the offer's m=audio is no payload type")
        if number in maps:
            name, _, rest = maps[number].partition("/")
            rate = rest.partition("/")[0]
            if rate.isascii() and rate.isdigit() and len(rate) < 7:
                yield Codec(int(number), name.lower(), int(rate))
        elif int(number) in _STATIC:
            name, rate_hz = _STATIC[int(number)]
            yield Codec(int(number), name, rate_hz)


def _needed(audio: _Section, session: _Section, name: str) -> str:
    found = audio.first(name) or session.first(name)
    if not found:
        raise UsageError(f"the offer has no a={name}")
    return found


def _checked(pattern: re.Pattern[str], value: str, what: str, *, secret: bool = False) -> str:
    if not pattern.fullmatch(value):
        raise UsageError(f"{what} of the offer is not well-formed" + ("" if secret else f": {value[:60]!r}"))
    return value


def _fingerprints(values: list[str]) -> tuple[tuple[str, str], ...]:
    found = [match for value in values if (match := _FINGERPRINT.fullmatch(value))]
    if not found:
        raise UsageError("the offer has no a=fingerprint by SHA-256, SHA-384 or SHA-512: nothing proves who it is")
    return tuple((match[1].lower(), match[2].upper()) for match in found)


def _setup(value: str) -> str:
    if value not in _ROLES:
        raise UsageError(f"a=setup:{value[:20]} of the offer: an offer says actpass, active or passive")
    return _ROLES[value]


def _direction(audio: _Section, session: _Section) -> str:
    for section in (audio, session):
        for name in _DIRECTIONS:
            if section.first(name) is not None:
                return _DIRECTIONS[name]
    return "sendrecv"


def _refused(stream: _Section) -> Refused:
    _, profile, formats = _media(stream)
    kind = stream.media.split()[0]
    mid = stream.first("mid") or ""
    for word in (kind, mid, *formats):
        if word:
            _checked(_TOKEN, word, "a stream")
    if not re.fullmatch(r"[A-Za-z0-9/]{1,40}", profile):
        raise UsageError(f"m={stream.media[:60]} of the offer is not well-formed")
    return Refused(kind, profile, " ".join(formats), mid)
