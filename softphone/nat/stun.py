"""STUN messages (RFC 8489), and as much of TURN (RFC 8656) as it takes to try an allocation. Pure: no I/O."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
import zlib
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from softphone.addresses import HostPort

BINDING, ALLOCATE, REFRESH = 0x001, 0x003, 0x004
REQUEST, SUCCESS, ERROR = 0x000, 0x100, 0x110

MAPPED_ADDRESS, USERNAME, MESSAGE_INTEGRITY, ERROR_CODE = 0x0001, 0x0006, 0x0008, 0x0009
LIFETIME, REALM, NONCE, XOR_RELAYED_ADDRESS = 0x000D, 0x0014, 0x0015, 0x0016
REQUESTED_TRANSPORT, XOR_MAPPED_ADDRESS, FINGERPRINT = 0x0019, 0x0020, 0x8028

HEADER_BYTES = 20
_COOKIE = 0x2112A442
_FINGERPRINT_XOR = 0x5354554E
_CLASS_MASK = 0x110


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `kind` is REQUEST, SUCCESS or ERROR; attributes keep their order."""

    method: int
    kind: int = REQUEST
    attributes: tuple[tuple[int, bytes], ...] = ()
    transaction: bytes = field(default_factory=lambda: secrets.token_bytes(12))

    def first(self, attribute: int) -> bytes | None:
        return next((value for kind, value in self.attributes if kind == attribute), None)

    @property
    def error(self) -> tuple[int, str]:
        """Code and reason of an ERROR; (0, '') if it carries none."""
        value = self.first(ERROR_CODE)
        if value is None or len(value) < 4:
            return 0, ""
        reason = value[4:].decode("utf-8", "replace")
        return (value[2] & 7) * 100 + value[3], "".join(c for c in reason if c.isprintable())[:120]

    def address(self, attribute: int) -> HostPort | None:
        """A MAPPED-ADDRESS or one of the XOR addresses; None where it is missing or damaged."""
        value = self.first(attribute)
        if value is None or len(value) < 8:
            return None
        plain = attribute == MAPPED_ADDRESS
        mask = b"" if plain else struct.pack("!I", _COOKIE) + self.transaction
        port = struct.unpack_from("!H", value, 2)[0] ^ (0 if plain else _COOKIE >> 16)
        raw = value[4:] if plain else bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))
        if value[1] == 1:
            return HostPort(str(IPv4Address(raw[:4])), port)
        return HostPort(str(IPv6Address(raw[:16])), port) if value[1] == 2 and len(raw) >= 16 else None


def encode(message: Message, key: bytes = b"") -> bytes:
    """The message's bytes; with a key, MESSAGE-INTEGRITY and FINGERPRINT are added."""
    body = b"".join(_attribute(kind, value) for kind, value in message.attributes)
    if not key:
        return _header(message, len(body)) + body
    digest = hmac.new(key, _header(message, len(body) + 24) + body, hashlib.sha1).digest()
    body += _attribute(MESSAGE_INTEGRITY, digest)
    whole = _header(message, len(body) + 8) + body
    return whole + _attribute(FINGERPRINT, struct.pack("!I", zlib.crc32(whole) ^ _FINGERPRINT_XOR))


def _header(message: Message, length: int) -> bytes:
    return struct.pack("!HHI", message.method | message.kind, length, _COOKIE) + message.transaction


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def total_bytes(header: bytes) -> int:
    """The length of the message that begins with these HEADER_BYTES. Raises ValueError if it is not STUN."""
    first, length, cookie = struct.unpack_from("!HHI", header)
    if first & 0xC000 or cookie != _COOKIE or length % 4:
        raise ValueError("this is not a STUN message")
    return HEADER_BYTES + int(length)


def decode(data: bytes) -> Message:
    """One whole message. Raises ValueError where it is damaged. Its integrity is not judged."""
    if len(data) < HEADER_BYTES or total_bytes(data) != len(data):
        raise ValueError("the STUN message is cut short")
    first = struct.unpack_from("!H", data)[0]
    attributes, place = [], HEADER_BYTES
    while place < len(data):
        kind, length = struct.unpack_from("!HH", data, place)
        if place + 4 + length > len(data):
            raise ValueError("an attribute of the STUN message is cut short")
        attributes.append((kind, data[place + 4 : place + 4 + length]))
        place += 4 + length + -length % 4
    return Message(first & ~_CLASS_MASK, first & _CLASS_MASK, tuple(attributes), data[8:HEADER_BYTES])


def long_term_key(username: str, realm: str, password: str) -> bytes:
    """The key of long-term credentials (RFC 8489 section 9.2.2)."""
    return hashlib.md5(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).digest()


def transport_attribute() -> tuple[int, bytes]:
    """REQUESTED-TRANSPORT: a relay for UDP."""
    return REQUESTED_TRANSPORT, bytes((17, 0, 0, 0))
