"""What a ladder shows, before anybody draws it: lanes, and an arrow for each message.

Standard library only and cheap to import: the command line draws with it as well as the daemon.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from softphone.tracing import sdp
from softphone.tracing.message import Parts, Place, SipMessage, clean, parts, shown

OURSELVES = "this phone"


@dataclass(frozen=True, slots=True)
class Lane:
    """Somebody who takes part. `name`: an address; `detail`: how it is reached."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A message. `lane`: whom we sent it to or had it from; `tag`: the call or account it belongs to.

    `times`: how often the same bytes travelled, `last_us` when last.
    """

    time_us: int
    sent: bool
    lane: Lane
    label: str
    notes: tuple[str, ...]
    tag: str = ""
    times: int = 1
    last_us: int = 0
    failure: bool = False


@dataclass(slots=True)
class Scene:
    """Arrows in the order of their first appearance."""

    arrows: list[Arrow] = field(default_factory=list)
    _known: dict[tuple[object, ...], int] = field(default_factory=dict)

    def add(self, message: SipMessage, tag: str = "") -> Arrow | None:
        """The new arrow; None where this message has travelled before, and that arrow now says so."""
        key = (message.sent, message.transport, message.remote, message.data)
        if (place := self._known.get(key)) is not None:
            first = self.arrows[place]
            self.arrows[place] = replace(first, times=first.times + 1, last_us=message.time_us)
            return None
        self._known[key] = len(self.arrows)
        self.arrows.append(arrow(message, tag))
        return self.arrows[-1]

    @property
    def lanes(self) -> list[Lane]:
        """All but ourselves, in the order of their first message."""
        return list(dict.fromkeys(a.lane for a in self.arrows))

    @property
    def tagged(self) -> bool:
        """Whether more than one call or account takes part, so that arrows need their tags."""
        return len({a.tag for a in self.arrows}) > 1


def scene(messages: Iterable[tuple[SipMessage, str]]) -> Scene:
    """Of messages with their tags."""
    made = Scene()
    for message, tag in messages:
        made.add(message, tag)
    return made


def arrow(message: SipMessage, tag: str = "") -> Arrow:
    """One message in words."""
    found = parts(message.data)
    return Arrow(
        time_us=message.time_us,
        sent=message.sent,
        lane=Lane(clean(str(message.remote)), message.transport),
        label=clean(_label(found)),
        notes=tuple(clean(note) for note in _notes(found)),
        tag=clean(tag),
        last_us=message.time_us,
        failure=found.status >= 400 and found.status not in (401, 407),
    )


def _label(found: Parts) -> str:
    if found.start.startswith("SIP/2.0 "):
        return f"{found.start[8:]} ({found.method})"
    method, _, rest = found.start.partition(" ")
    return f"{method} {rest.rpartition(' ')[0] or rest}"


def _notes(found: Parts) -> Iterable[str]:
    """What tells most about how a call fares."""
    if found.first("authorization") or found.first("proxy-authorization"):
        yield "with credentials"
    for name, title in (("reason", "Reason"), ("warning", "Warning"), ("retry-after", "Retry-After")):
        if value := found.first(name):
            yield f"{title}: {value}"
    if found.method == "REGISTER" and (expires := found.first("expires")):
        yield f"expires {expires}" if expires != "0" else "expires 0: leaves"
    if 300 <= found.status < 400 and (contact := found.first("contact")):
        yield f"to {contact}"
    for name, title in (("refer-to", "Refer-To"), ("replaces", "Replaces"), ("subscription-state", "state")):
        if value := found.first(name):
            yield f"{title}: {value}"
    yield from _body_notes(found)


def _body_notes(found: Parts) -> Iterable[str]:
    kind = found.first("content-type").lower()
    if b"m=" in found.body and (kind.startswith(("application/sdp", "multipart/"))):
        yield f"SDP {sdp.summary(found.body)}"
    elif "sipfrag" in kind:
        yield (shown(found.body).splitlines() or [""])[0]
    elif found.body.strip():
        yield f"{kind.partition(';')[0] or 'body'}, {len(found.body)} bytes"


def place(text: str) -> Place:
    """What `str(Place)` made."""
    host, _, port = text.rpartition(":")
    return Place(host.strip("[]"), int(port))
