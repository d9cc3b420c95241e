"""Our answer to an offer: one audio stream, all others refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from softphone.errors import UsageError
from softphone.stacks.webrtc.offer import Codec, Offer, Refused

PREFERENCE = ("opus", "pcmu", "pcma")

OPUS_PARAMETERS = "minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0;maxplaybackrate={rate_hz}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """`events`: telephone-event at the clock of the codec, or at another, or None."""

    codec: Codec
    events: Codec | None


@dataclass(frozen=True, slots=True)
class Ours:
    """Our end: what the answer tells of it. `candidates` are the values of a=candidate lines."""

    ufrag: str
    password: str = field(repr=False)
    fingerprint: str
    candidates: Sequence[str]
    ssrc: int
    cname: str
    session: int


def choose(offer: Offer, wanted: Sequence[str] = PREFERENCE) -> Chosen:
    """The codec that we like best of those offered. Raises UsageError."""
    for name in wanted:
        found = next((codec for codec in offer.codecs if codec.name == name), None)
        if found is not None:
            events = [codec for codec in offer.codecs if codec.name == "telephone-event"]
            events.sort(key=lambda codec: codec.clock_rate_hz != found.clock_rate_hz)
            return Chosen(found, events[0] if events else None)
    offered = ", ".join(dict.fromkeys(codec.name for codec in offer.codecs)) or "none"
    raise UsageError(f"the offer has no codec that we have: {offered} were offered, {', '.join(wanted)} wanted")


def write_answer(offer: Offer, chosen: Chosen, ours: Ours, *, opus_rate_hz: int) -> str:
    """SDP, RFC 8829 section 5.3."""
    lines = ["v=0", f"o=- {ours.session} 2 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if offer.bundled and offer.mid:
        lines.append(f"a=group:BUNDLE {offer.mid}")
    lines.append("a=msid-semantic:WMS *")
    streams: dict[int, list[str]] = {place: _refusal(stream) for place, stream in offer.refused}
    streams[offer.place] = _audio(offer, chosen, ours, opus_rate_hz)
    for _, stream in sorted(streams.items()):
        lines += stream
    return "\r\n".join(lines) + "\r\n"


def _audio(offer: Offer, chosen: Chosen, ours: Ours, opus_rate_hz: int) -> list[str]:
    taken = [chosen.codec, *([chosen.events] if chosen.events else [])]
    lines = [
        f"m=audio 9 {offer.profile} {' '.join(str(codec.payload_type) for codec in taken)}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        *([f"a=mid:{offer.mid}"] if offer.mid else []),
        f"a={offer.direction}",
        "a=rtcp-mux",
    ]
    for codec in taken:
        lines += _codec(codec, opus_rate_hz)
    lines += [
        "a=ptime:20",
        f"a=msid:{ours.cname} {ours.cname}",
        f"a=ssrc:{ours.ssrc} cname:{ours.cname}",
        f"a=ice-ufrag:{ours.ufrag}",
        f"a=ice-pwd:{ours.password}",
        f"a=fingerprint:sha-256 {ours.fingerprint}",
        f"a=setup:{offer.setup}",
        *(f"a=candidate:{candidate}" for candidate in ours.candidates),
        "a=end-of-candidates",
    ]
    return lines


def _codec(codec: Codec, opus_rate_hz: int) -> list[str]:
    number = codec.payload_type
    match codec.name:
        case "opus":
            return [
                f"a=rtpmap:{number} opus/48000/2",
                f"a=fmtp:{number} {OPUS_PARAMETERS.format(rate_hz=opus_rate_hz)}",
            ]
        case "telephone-event":
            return [f"a=rtpmap:{number} telephone-event/{codec.clock_rate_hz}", f"a=fmtp:{number} 0-15"]
        case name:
            return [f"a=rtpmap:{number} {name.upper()}/8000"]


def _refusal(stream: Refused) -> list[str]:
    mid = [f"a=mid:{stream.mid}"] if stream.mid else []
    return [f"m={stream.kind} 0 {stream.profile} {stream.formats}", "c=IN IP4 0.0.0.0", "a=inactive", *mid]
