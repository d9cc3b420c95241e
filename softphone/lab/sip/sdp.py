"""Session descriptions (RFC 8866), and the answers of the lab's own services (RFC 3264).

A description is kept line by line, so that one that is only passed on leaves as it came, but for what is changed.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass, field

from softphone.lab.addresses import in_sdp

MAX_MEDIA = 16
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_MIRROR = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}

# Payload types that need no rtpmap line (RFC 3551 section 6): name/clock rate
STATIC = {0: "PCMU/8000", 3: "GSM/8000", 4: "G723/8000", 8: "PCMA/8000", 9: "G722/8000", 18: "G729/8000"}


class SdpError(ValueError):
    """The text is no usable session description."""


@dataclass
class Media:
    """One m= section; `lines` are those that follow the m= line."""

    kind: str
    port: int
    protocol: str
    formats: list[str]
    lines: list[str] = field(default_factory=list)

    @property
    def secure(self) -> bool:
        """Whether the profile is SRTP."""
        return "SAVP" in self.protocol

    @property
    def dtls(self) -> bool:
        """Whether its keys come by DTLS (RFC 5764 section 8)."""
        return self.protocol.startswith("UDP/TLS/")

    def attributes(self, name: str) -> list[str]:
        """The values of all a=name:value lines ("" for a bare a=name)."""
        return _attributes(self.lines, name)

    def drop(self, *names: str) -> None:
        """Remove all a= lines of those names."""
        self.lines = [line for line in self.lines if not _is_attribute(line, names)]

    def connection(self) -> str | None:
        """The address of the section's own c= line."""
        return _address_of(self.lines)

    def rtpmap(self) -> dict[int, str]:
        """Payload type -> `NAME/rate[/channels]`, upper case; the static types included if the m= line has them."""
        table = {int(f): STATIC[int(f)] for f in self.formats if f.isdecimal() and int(f) in STATIC}
        for value in self.attributes("rtpmap"):
            payload_type, _, name = value.partition(" ")
            if payload_type in self.formats and payload_type.isdecimal():
                table[int(payload_type)] = name.strip().upper()
        return table

    def fmtp(self, payload_type: int) -> str:
        """The parameters of a format, "" where there are none."""
        for value in self.attributes("fmtp"):
            head, _, parameters = value.partition(" ")
            if head == str(payload_type):
                return parameters.strip()
        return ""

    def __str__(self) -> str:
        head = f"m={self.kind} {self.port} {self.protocol} {' '.join(self.formats)}"
        return "\r\n".join([head, *self.lines])


@dataclass
class Session:
    """A whole description: the lines above the first m=, and the sections."""

    lines: list[str]
    media: list[Media]

    @classmethod
    def parse(cls, body: bytes) -> Session:
        """Parse a description. Raises SdpError."""
        text = body.decode("utf-8", "replace").replace("\r\n", "\n")
        lines = [line.rstrip() for line in text.split("\n") if line.strip()]
        if not lines or lines[0] != "v=0" or any(line[1:2] != "=" for line in lines):
            raise SdpError("no session description")
        session = cls([], [])
        for line in lines:
            if line.startswith("m="):
                session.media.append(_parse_media(line))
            else:
                (session.media[-1].lines if session.media else session.lines).append(line)
        if len(session.media) > MAX_MEDIA:
            raise SdpError("too many media")
        return session

    def attributes(self, name: str) -> list[str]:
        """The values of the a=name:value lines above the first section."""
        return _attributes(self.lines, name)

    def audio(self) -> Media:
        """The first audio section in use. Raises SdpError if there is none."""
        for media in self.media:
            if media.kind == "audio" and media.port:
                return media
        raise SdpError("no audio")

    def address(self, media: Media) -> tuple[str, int]:
        """Where the other side wants the RTP of that section; a name only ICE could do without. Raises SdpError."""
        host = media.connection() or _address_of(self.lines)
        if host is None:
            raise SdpError("no address (c= line)")
        if not _is_ip(host):
            if not (media.attributes("ice-ufrag") or self.attributes("ice-ufrag")):
                raise SdpError("a name in the c= line: nobody looks it up while sound waits")
            host = "0.0.0.0"
        return host, media.port

    def rtcp_address(self, media: Media) -> tuple[str, int]:
        """Where RTCP goes: a=rtcp (RFC 3605), else the next port."""
        host, port = self.address(media)
        if "" in media.attributes("rtcp-mux"):
            return host, port
        for value in media.attributes("rtcp"):
            number = value.split(" ")[0]
            if number.isdecimal() and 0 < int(number) < 65536:
                return host, int(number)
        return host, port + 1

    def direction(self, media: Media) -> str:
        """sendrecv, sendonly, recvonly or inactive, as the one who wrote this sees it."""
        for lines in (media.lines, self.lines):
            for direction in DIRECTIONS:
                if f"a={direction}" in lines:
                    return direction
        return "sendrecv"

    def __bytes__(self) -> bytes:
        return ("\r\n".join([*self.lines, *map(str, self.media)]) + "\r\n").encode()


def holds(body: bytes) -> bool:
    """Whether this description puts the other side on hold: new style, or old (0.0.0.0). Raises SdpError."""
    session = Session.parse(body)
    media = session.audio()
    if session.direction(media) in ("sendonly", "inactive"):
        return True
    with_ice = bool(media.attributes("ice-ufrag") or session.attributes("ice-ufrag"))
    return not with_ice and session.address(media)[0] == "0.0.0.0"


def mirrored(direction: str) -> str:
    """The same direction as the other side sees it."""
    return _MIRROR[direction]


def new_session(host: str, version: int = 1) -> Session:
    """The top of a description of our own."""
    origin = f"o=- {int(time.time())} {version} {in_sdp(host)}"
    return Session(["v=0", origin, "s=softphone lab", f"c={in_sdp(host)}", "t=0 0"], [])


def readdress(session: Session, media: Media, host: str, port: int) -> None:
    """Make a section that is passed on point to the relay; the way around it (ICE) is taken out."""
    media.port = port
    media.lines = [line for line in media.lines if not line.startswith("c=")]
    position = 1 if media.lines and media.lines[0].startswith("i=") else 0
    media.lines.insert(position, f"c={in_sdp(host)}")
    media.drop("rtcp", "candidate", "end-of-candidates", "ice-ufrag", "ice-pwd", "ice-options", "ice-lite")
    session.lines = [line for line in session.lines if not _is_attribute(line, _ICE_SESSION)]


_ICE_SESSION = ("ice-ufrag", "ice-pwd", "ice-options", "ice-lite", "group")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _attributes(lines: list[str], name: str) -> list[str]:
    start = f"a={name}"
    values = [line[len(start) :] for line in lines if line.startswith(start)]
    return [value[1:] if value else "" for value in values if not value or value[0] == ":"]


def _is_attribute(line: str, names: tuple[str, ...]) -> bool:
    return line.startswith("a=") and line[2:].partition(":")[0] in names


def _address_of(lines: list[str]) -> str | None:
    for line in lines:
        if line.startswith("c="):
            parts = line[2:].split()
            if len(parts) == 3 and parts[0] == "IN":
                return parts[2].partition("/")[0]
            raise SdpError("malformed c= line")
    return None


def _parse_media(line: str) -> Media:
    parts = line[2:].split()
    if len(parts) < 4:
        raise SdpError("malformed m= line")
    number = parts[1].partition("/")[0]
    if not (number.isascii() and number.isdecimal()) or int(number) > 65535:
        raise SdpError("malformed port")
    return Media(parts[0], int(number), parts[2], parts[3:])
