"""ICE lite (RFC 8445 section 2.5) and the STUN that it needs (RFC 8489): we answer checks, and make none.

The PBX has one address that everybody reaches, so the phone does all the work, and tells by USE-CANDIDATE which way it
has chosen.
"""

from __future__ import annotations

import binascii
import hmac
import ipaddress
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass

Address = tuple[str, int]

MAGIC_COOKIE = 0x2112A442
HEADER_BYTES = 20
BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101

USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
XOR_MAPPED_ADDRESS = 0x0020
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028

FINGERPRINT_XOR = 0x5354554E
INTEGRITY_BYTES = 20
# type preference 126 (host), local preference 65535, component 1 (section 5.1.2.1)
HOST_PRIORITY = 126 << 24 | 65535 << 8 | 255


class StunError(ValueError):
    """The datagram is no STUN message."""


@dataclass(frozen=True)
class Credentials:
    """One side's user fragment and password; the password is never shown."""

    ufrag: str
    password: str

    @classmethod
    def new(cls) -> Credentials:
        """Fresh ones."""
        return cls(secrets.token_hex(4), secrets.token_hex(16))

    def __repr__(self) -> str:
        return f"Credentials({self.ufrag})"


@dataclass(frozen=True)
class Stun:
    """A message; `attributes` in their order, with the offset of each."""

    kind: int
    transaction: bytes
    attributes: tuple[tuple[int, int, bytes], ...]
    data: bytes

    @classmethod
    def parse(cls, data: bytes) -> Stun:
        """Parse a datagram. Raises StunError."""
        if len(data) < HEADER_BYTES:
            raise StunError("too short")
        kind, length, cookie = struct.unpack_from("!HHI", data)
        if cookie != MAGIC_COOKIE or kind & 0xC000 or length != len(data) - HEADER_BYTES or length % 4:
            raise StunError("no STUN message")
        return cls(kind, data[8:HEADER_BYTES], tuple(_attributes(data)), data)

    def get(self, wanted: int) -> bytes | None:
        """The value of an attribute."""
        return next((value for kind, _, value in self.attributes if kind == wanted), None)

    def signed_by(self, password: str) -> bool:
        """Whether MESSAGE-INTEGRITY is right: over all before it, with the length as if it were the last."""
        for kind, offset, value in self.attributes:
            if kind == MESSAGE_INTEGRITY:
                head = struct.pack("!HH", self.kind, offset + 4 + INTEGRITY_BYTES - HEADER_BYTES)
                expected = hmac.digest(password.encode(), head + self.data[4:offset], "sha1")
                return hmac.compare_digest(expected, value)
        return False


def _attributes(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    position = HEADER_BYTES
    while position < len(data):
        kind, length = struct.unpack_from("!HH", data, position)
        if position + 4 + length > len(data):
            raise StunError("truncated attribute")
        yield kind, position, data[position + 4 : position + 4 + length]
        position += 4 + length + -length % 4


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _xor_address(address: Address, transaction: bytes) -> bytes:
    host = ipaddress.ip_address(address[0])
    mask = struct.pack("!I", MAGIC_COOKIE) + transaction
    packed = bytes(a ^ b for a, b in zip(host.packed, mask, strict=False))
    return struct.pack("!BBH", 0, 1 if host.version == 4 else 2, address[1] ^ MAGIC_COOKIE >> 16) + packed


def make_message(kind: int, transaction: bytes, attributes: bytes, password: str) -> bytes:
    """A message with MESSAGE-INTEGRITY and FINGERPRINT."""

    def head(length: int) -> bytes:
        return struct.pack("!HHI", kind, length, MAGIC_COOKIE) + transaction

    signature = hmac.digest(password.encode(), head(len(attributes) + 4 + INTEGRITY_BYTES) + attributes, "sha1")
    attributes += _attribute(MESSAGE_INTEGRITY, signature)
    whole = head(len(attributes) + 8) + attributes
    return whole + _attribute(FINGERPRINT, struct.pack("!I", binascii.crc32(whole) ^ FINGERPRINT_XOR))


@dataclass(frozen=True)
class Checked:
    """A connectivity check that was good: what to answer, and whether the phone chose this way."""

    answer: bytes
    nominated: bool


def answer_check(data: bytes, source: Address, local: Credentials) -> Checked | None:
    """The answer to a check that knows our credentials; None for everything else, which gets no answer."""
    try:
        request = Stun.parse(data)
    except (StunError, struct.error):
        return None
    username = (request.get(USERNAME) or b"").decode("utf-8", "replace")
    if request.kind != BINDING_REQUEST or username.partition(":")[0] != local.ufrag:
        return None
    if not request.signed_by(local.password):
        return None
    mapped = _attribute(XOR_MAPPED_ADDRESS, _xor_address(source, request.transaction))
    answer = make_message(BINDING_SUCCESS, request.transaction, mapped, local.password)
    return Checked(answer, request.get(USE_CANDIDATE) is not None)
