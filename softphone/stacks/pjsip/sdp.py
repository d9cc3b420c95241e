"""Touches to the SDP that PJSIP is about to send (RFC 4566): codecs of one account, and how SRTP is offered.

PJSIP knows one codec order for the whole process. Each account has its own, so the offer is narrowed and ordered here.
"""

from __future__ import annotations

import re

STATIC_PAYLOADS = {"0": "pcmu", "3": "gsm", "8": "pcma", "9": "g722"}
"""RFC 3551 table 4: payload types that need no rtpmap."""


def narrow(sdp: str, codecs: list[str]) -> str:
    """Keeps only `codecs` (lower case, most wanted first) and telephone-event, in that order, in each audio section.

    An audio section that would lose all its codecs is left as it is: refusing is for the negotiation, not for us.
    """
    return "".join(_narrow_section(s, codecs) if s.startswith("m=audio") else s for s in _sections(sdp))


def _sections(sdp: str) -> list[str]:
    return re.split(r"(?m)^(?=m=)", sdp)


def _narrow_section(section: str, codecs: list[str]) -> str:
    media, rest = _first_line(section)
    words = media.split()
    payloads = words[3:]
    names = STATIC_PAYLOADS | {p: n.lower() for p, n in re.findall(r"(?m)^a=rtpmap:(\d+) ([^/\s]+)", rest)}
    wanted = [p for codec in codecs for p in payloads if names.get(p) == codec]
    if not wanted:
        return section
    clocks = dict(re.findall(r"(?m)^a=rtpmap:(\d+) [^/\s]+/(\d+)", rest))
    rates = {clocks.get(p, "8000") for p in wanted}
    events = [p for p in payloads if names.get(p) == "telephone-event" and clocks.get(p) in rates]
    keep = [*wanted, *events]
    dropped = set(payloads) - set(keep)
    lines = [line for line in rest.splitlines(keepends=True) if not _of_payload(line, dropped)]
    return " ".join([*words[:3], *keep]) + "\r\n" + "".join(lines)


def _first_line(section: str) -> tuple[str, str]:
    line, _, rest = section.partition("\n")
    return line.rstrip("\r"), rest


def _of_payload(line: str, payloads: set[str]) -> bool:
    match = re.match(r"a=(?:rtpmap|fmtp|rtcp-fb):(\d+)\s", line)
    return bool(match and match[1] in payloads)


def for_webrtc(sdp: str) -> str:
    """What a WebRTC peer looks for and PJSIP leaves out: the profile with feedback (RFC 5764 section 8), a name for
    each section (a=mid, RFC 5888), and which of them share a transport: none, so no BUNDLE group."""
    first, *sections = _sections(sdp)
    return first + "".join(_webrtc_section(section, place) for place, section in enumerate(sections))


def _webrtc_section(section: str, place: int) -> str:
    media, rest = _first_line(section)
    media = media.replace(" UDP/TLS/RTP/SAVP ", " UDP/TLS/RTP/SAVPF ")
    if "UDP/TLS/" in media and not re.search(r"(?m)^a=mid:", rest):
        rest += f"a=mid:{place}\r\n"
    return media + "\r\n" + rest


def mids(text: str) -> list[str]:
    """The names (a=mid) of the sections of an SDP, or of the SDP in a message; '' for one without."""
    _, *sections = _sections(text)
    return [found[1] if (found := re.search(r"(?m)^a=mid:(\S+)", section)) else "" for section in sections]


def take_mids(sdp: str, theirs: list[str]) -> str:
    """Names each section that has a name as the far end does: an answer has to (RFC 5888 section 9.1), and names stay
    for the whole call."""
    first, *sections = _sections(sdp)
    names = [*theirs, *[""] * len(sections)]
    return first + "".join(_named(section, name) for section, name in zip(sections, names, strict=False))


def _named(section: str, name: str) -> str:
    return re.sub(r"(?m)^a=mid:[^\r\n]*", lambda _: f"a=mid:{name}", section) if name else section


def offer_secure(sdp: str) -> str:
    """Turns an RTP/AVP section that carries a=crypto into RTP/SAVP (RFC 4568): SRTP or nothing.

    PBXs such as FreeSWITCH refuse the mixed form that PJSIP sends for optional SRTP.
    """
    return "".join(_secure_section(s) for s in _sections(sdp))


def _secure_section(section: str) -> str:
    if not section.startswith("m=audio") or "a=crypto:" not in section:
        return section
    return re.sub(r"^(m=audio \S+) RTP/AVP(F?) ", r"\1 RTP/SAVP\2 ", section)


def offer_plain(sdp: str) -> str:
    """Drops SRTP from an offer: no a=crypto, nothing of DTLS (RFC 5763), RTP/AVP."""
    without = re.sub(r"(?m)^a=(?:crypto|fingerprint|setup):[^\n]*\n", "", sdp)
    return re.sub(r"(?m)^(m=audio \S+) (?:UDP/TLS/)?RTP/SAVP(F?) ", r"\1 RTP/AVP\2 ", without)
