"""Offer and answer of the lab's own services (RFC 3264; SDES: RFC 4568)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from softphone.lab.media.ice import HOST_PRIORITY, Credentials
from softphone.lab.media.srtp import SdesKey
from softphone.lab.sip import sdp

SrtpPolicy = Literal["optional", "mandatory", "off"]

PROFILES = ("RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")
DTLS_PROFILE = "UDP/TLS/RTP/SAVPF"
TONE_CODECS = ("PCMU/8000", "PCMA/8000")
NO_SOUND = ("CN/", "TELEPHONE-EVENT/", "RED/", "ULPFEC/")
OFFERED_SUITE = "AES_CM_128_HMAC_SHA1_80"
OFFERED_EVENT_TYPE = 101
OFFERED_MID = "0"
PTIME_MS = 20


@dataclass(frozen=True)
class DtlsTerms:
    """What the other side says of itself where DTLS carries the keys. `client` tells whether we send the first flight.

    `ice` are its credentials, None where it uses no ICE; `mid` and `bundled` are what the answer repeats (RFC 9143).
    """

    fingerprints: tuple[str, ...]
    client: bool
    ice: Credentials | None
    mid: str = ""
    bundled: bool = False


@dataclass(frozen=True)
class DtlsLocal:
    """What we say of ourselves: values of a=fingerprint, a=setup, and our ICE credentials where ICE is used."""

    fingerprint: str
    setup: str
    ice: Credentials | None


@dataclass(frozen=True)
class Codec:
    """One format of an offer; `name` is NAME/rate[/channels], upper case."""

    payload_type: int
    name: str
    fmtp: str = ""


EVENTS = Codec(OFFERED_EVENT_TYPE, "TELEPHONE-EVENT/8000", "0-16")
DEFAULT_CODECS = (Codec(0, "PCMU/8000"), Codec(8, "PCMA/8000"), EVENTS)


class NotAcceptable(Exception):
    """No call with this description: 488. The text says why."""


@dataclass(frozen=True)
class Agreement:
    """What both sides will do. `direction` is ours; the keys are None for plain RTP."""

    payload_type: int
    codec: str  # NAME/rate[/channels], upper case
    fmtp: str
    event_type: int | None
    event_rate_hz: int
    rtp_remote: tuple[str, int]
    rtcp_remote: tuple[str, int]
    rtcp_mux: bool
    direction: str
    remote_key: SdesKey | None
    local_key: SdesKey | None
    dtls: DtlsTerms | None = None

    @property
    def secure(self) -> bool:
        """Whether the sound is encrypted."""
        return self.local_key is not None or self.dtls is not None

    @property
    def codec_name(self) -> str:
        """Without the clock rate: PCMU."""
        return self.codec.partition("/")[0]

    @property
    def rate_hz(self) -> int:
        """The clock of the RTP timestamps."""
        return int(self.codec.split("/")[1])

    def compatible(self) -> list[Codec]:
        """What another phone may speak so that the two understand each other: this codec, or G.711 for G.711."""
        chosen = [Codec(self.payload_type, self.codec, self.fmtp)]
        if self.codec in TONE_CODECS:
            chosen += [each for each in DEFAULT_CODECS if each.name in TONE_CODECS and each.name != self.codec]
        if self.event_type is not None:
            chosen.append(Codec(self.event_type, f"TELEPHONE-EVENT/{self.event_rate_hz}", "0-16"))
        return chosen

    @property
    def sending(self) -> bool:
        """Whether we may send: not on hold, old style (0.0.0.0) or new."""
        by_ice = self.dtls is not None and self.dtls.ice is not None  # a browser's c= line tells nothing
        return self.direction in ("sendrecv", "sendonly") and (by_ice or self.rtp_remote[0] != "0.0.0.0")


def check_profile(media: sdp.Media, policy: SrtpPolicy) -> None:
    """Raises NotAcceptable where FreeSWITCH answers 488: above all a=crypto in an RTP/AVP section."""
    if media.protocol not in PROFILES:
        raise NotAcceptable(f"profile {media.protocol}")
    if media.attributes("crypto") and not media.secure:
        raise NotAcceptable("a=crypto in a section that is not SAVP")
    if policy == "mandatory" and not media.secure:
        raise NotAcceptable("SRTP is mandatory here")
    if policy == "off" and media.secure:
        raise NotAcceptable("SRTP is switched off here")


def agree(
    session: sdp.Session,
    *,
    any_codec: bool,
    policy: SrtpPolicy,
    local_key: SdesKey | None = None,
    only: str = "",
) -> Agreement:
    """Choose from the other side's description. Raises NotAcceptable.

    `any_codec` takes the first codec, whatever it is (the echo never decodes); else PCMU or PCMA; `only` names the one
    that must be taken. A secure section gets `local_key` if it fits, or a fresh one.
    """
    try:
        media = session.audio()
        check_profile(media, policy)
        payload_type, codec = _choose_codec(media, any_codec, only)
        event_type, event_rate_hz = _choose_events(media, codec)
        remote_key = _choose_key(media) if media.secure and not media.dtls else None
        return Agreement(
            payload_type=payload_type,
            codec=codec,
            fmtp=media.fmtp(payload_type),
            event_type=event_type,
            event_rate_hz=event_rate_hz,
            rtp_remote=session.address(media),
            rtcp_remote=session.rtcp_address(media),
            rtcp_mux="" in media.attributes("rtcp-mux"),
            direction=sdp.mirrored(session.direction(media)),
            remote_key=remote_key,
            local_key=_fitting_key(local_key, remote_key),
            dtls=_dtls_terms(session, media) if media.dtls else None,
        )
    except sdp.SdpError as error:
        raise NotAcceptable(str(error)) from error


def _dtls_terms(session: sdp.Session, media: sdp.Media) -> DtlsTerms:
    """Attributes stand in the section or above it. Without a=setup the one who answers is the client (RFC 4145)."""
    fingerprints = media.attributes("fingerprint") or session.attributes("fingerprint")
    if not fingerprints:
        raise NotAcceptable("DTLS without a=fingerprint")
    setup = next(iter(media.attributes("setup") or session.attributes("setup")), "active")
    ufrag, password = (
        next(iter(media.attributes(name) or session.attributes(name)), "") for name in ("ice-ufrag", "ice-pwd")
    )
    mid = next(iter(media.attributes("mid")), "")
    return DtlsTerms(
        fingerprints=tuple(fingerprints),
        client=setup == "passive",
        ice=Credentials(ufrag, password) if ufrag and password else None,
        mid=mid,
        bundled=any(mid in value.split()[1:] for value in session.attributes("group") if value.startswith("BUNDLE")),
    )


def codecs_of(media: sdp.Media) -> list[Codec]:
    """Every format that has a name and a rate, telephone-events included, in the order of preference."""
    table = media.rtpmap()
    found = []
    for text in media.formats:
        name = table.get(int(text), "") if text.isdecimal() else ""
        rate = name.split("/")[1] if "/" in name else ""
        if rate.isdecimal() and int(rate) > 0:
            found.append(Codec(int(text), name.removesuffix("/1"), media.fmtp(int(text))))
    return found


def _choose_codec(media: sdp.Media, any_codec: bool, only: str) -> tuple[int, str]:
    for codec in codecs_of(media):
        if codec.name.startswith(NO_SOUND):
            continue
        if codec.name == only or (not only and (any_codec or codec.name in TONE_CODECS)):
            return codec.payload_type, codec.name
    raise NotAcceptable("no codec in common" if not any_codec else "no codec offered")


def _choose_events(media: sdp.Media, codec: str) -> tuple[int | None, int]:
    """telephone-event of the codec's clock (RFC 4733 section 2.1), else of any."""
    rate_hz = int(codec.split("/")[1])
    found = {
        int(name.split("/")[1]): payload_type
        for payload_type, name in media.rtpmap().items()
        if name.startswith("TELEPHONE-EVENT/") and name.split("/")[1].isdecimal() and int(name.split("/")[1])
    }
    if not found:
        return None, rate_hz
    rate = rate_hz if rate_hz in found else next(iter(found))
    return found[rate], rate


def _choose_key(media: sdp.Media) -> SdesKey:
    for value in media.attributes("crypto"):
        key = SdesKey.parse(value)
        if key is not None:
            return key
    raise NotAcceptable("no usable a=crypto line")


def _fitting_key(local: SdesKey | None, remote: SdesKey | None) -> SdesKey | None:
    if remote is None:
        return None
    if local is not None and local.suite == remote.suite:
        return replace(local, tag=remote.tag)
    return SdesKey.new(remote.suite, remote.tag)


def make_answer(
    offer: sdp.Session, agreement: Agreement, host: str, port: int, version: int, dtls: DtlsLocal | None = None
) -> sdp.Session:
    """Our answer: the chosen section in its place, the others refused by port 0 (RFC 3264 section 6)."""
    session = sdp.new_session(host, version)
    chosen = offer.audio()
    if agreement.dtls is not None and agreement.dtls.bundled:
        session.lines.append(f"a=group:BUNDLE {agreement.dtls.mid}")
    for media in offer.media:
        if media is chosen:
            session.media.append(_section(agreement, media.protocol, port))
        else:
            refused = [f"a=mid:{mid}" for mid in media.attributes("mid")]
            session.media.append(sdp.Media(media.kind, 0, media.protocol, media.formats[:1], refused))
            continue
        if dtls is not None and agreement.dtls is not None:
            _add_dtls(session, session.media[-1], dtls, host, agreement.dtls.mid)
    return session


def _add_dtls(session: sdp.Session, media: sdp.Media, dtls: DtlsLocal, host: str, mid: str) -> None:
    media.lines += [f"a=fingerprint:{dtls.fingerprint}", f"a=setup:{dtls.setup}"]
    if mid:
        media.lines.append(f"a=mid:{mid}")
    if dtls.ice is None:
        return
    session.lines.append("a=ice-lite")
    media.lines += [
        f"a=ice-ufrag:{dtls.ice.ufrag}",
        f"a=ice-pwd:{dtls.ice.password}",
        f"a=candidate:1 1 udp {HOST_PRIORITY} {host} {media.port} typ host",
        "a=end-of-candidates",
    ]


def _section(agreement: Agreement, protocol: str, port: int) -> sdp.Media:
    types = [agreement.payload_type]
    lines = [f"a=rtpmap:{agreement.payload_type} {agreement.codec}"]
    if agreement.fmtp:
        lines.append(f"a=fmtp:{agreement.payload_type} {agreement.fmtp}")
    if agreement.event_type is not None:
        types.append(agreement.event_type)
        lines.append(f"a=rtpmap:{agreement.event_type} telephone-event/{agreement.event_rate_hz}")
        lines.append(f"a=fmtp:{agreement.event_type} 0-16")
    if agreement.rtcp_mux:
        lines.append("a=rtcp-mux")
    if agreement.local_key is not None:
        lines.append(f"a=crypto:{agreement.local_key}")
    lines += [f"a=ptime:{PTIME_MS}", f"a={agreement.direction}"]
    return sdp.Media("audio", port, protocol, [str(each) for each in types], lines)


def make_offer(
    host: str,
    port: int,
    key: SdesKey | None,
    version: int = 1,
    codecs: Sequence[Codec] = DEFAULT_CODECS,
    dtls: DtlsLocal | None = None,
) -> sdp.Session:
    """Our own offer: PCMU, PCMA, telephone-event, unless told otherwise; SRTP if there is a key, or by `dtls`."""
    session = sdp.new_session(host, version)
    lines = []
    for codec in codecs:
        lines.append(f"a=rtpmap:{codec.payload_type} {_spelled(codec.name)}")
        if codec.fmtp:
            lines.append(f"a=fmtp:{codec.payload_type} {codec.fmtp}")
    lines += [f"a=ptime:{PTIME_MS}", "a=sendrecv"]
    if key is not None:
        lines.append(f"a=crypto:{key}")
    protocol = "RTP/SAVP" if key is not None else "RTP/AVP"
    formats = [str(codec.payload_type) for codec in codecs]
    media = sdp.Media("audio", port, protocol if dtls is None else DTLS_PROFILE, formats, lines)
    session.media.append(media)
    if dtls is not None:
        session.lines.append(f"a=group:BUNDLE {OFFERED_MID}")
        media.lines += ["a=rtcp-mux", "a=msid:lab sound"]
        _add_dtls(session, media, dtls, host, OFFERED_MID)
    return session


def _spelled(name: str) -> str:
    """Names are case-insensitive (RFC 8866 section 6.6), but not every phone knows that."""
    return name.lower() if name.startswith("TELEPHONE-EVENT/") else name
