"""SRTP and SRTCP with AES-128 in counter mode and HMAC-SHA1 (RFC 3711), keyed by SDES (RFC 4568)."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from softphone.lab.media.rtp import HEADER_BYTES, header_length

KEY_BYTES = 16
SALT_BYTES = 14
RTCP_TAG_BYTES = 10  # 80 bits also where RTP has 32 (RFC 4568 section 6.2)
REPLAY_WINDOW = 64

# RFC 4568 section 6.2: suite -> bytes of the RTP authentication tag
SUITES = {"AES_CM_128_HMAC_SHA1_80": 10, "AES_CM_128_HMAC_SHA1_32": 4}

_CRYPTO = re.compile(r"(\d{1,9})\s+(\S+)\s+inline:([A-Za-z0-9+/=]+)(\|\S+)?(\s.*)?$")


class SrtpError(ValueError):
    """A packet that is forged, repeated or damaged."""


@dataclass(frozen=True)
class SdesKey:
    """One a=crypto line. `master` is key and salt; it is never shown."""

    tag: int
    suite: str
    master: bytes

    @classmethod
    def parse(cls, value: str) -> SdesKey | None:
        """The key of a crypto attribute; None for suites and session parameters that the lab does not speak."""
        found = _CRYPTO.match(value.strip())
        if found is None or found.group(2) not in SUITES or (found.group(5) or "").strip():
            return None
        try:
            master = base64.b64decode(found.group(3), validate=True)
        except binascii.Error:
            return None
        if len(master) != KEY_BYTES + SALT_BYTES:
            return None
        return cls(int(found.group(1)), found.group(2), master)

    @classmethod
    def new(cls, suite: str, tag: int = 1) -> SdesKey:
        """A fresh random key."""
        return cls(tag, suite, secrets.token_bytes(KEY_BYTES + SALT_BYTES))

    def __str__(self) -> str:
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.master).decode()}"

    def __repr__(self) -> str:
        return f"SdesKey({self.tag}, {self.suite})"


def _keystream_xor(key: bytes, counter: int, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter.to_bytes(16, "big"))).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def derive(master: bytes, label: int, length: int) -> bytes:
    """The key derivation of section 4.3.1, at rate 0."""
    key, salt = master[:KEY_BYTES], master[KEY_BYTES:]
    x = int.from_bytes(salt, "big") ^ (label << 48)
    return _keystream_xor(key, x << 16, bytes(length))


class _Window:
    """The replay list of section 3.3.2: the last 64 packet indices."""

    def __init__(self) -> None:
        self.highest = -1
        self._seen = 0

    def check(self, index: int) -> None:
        behind = self.highest - index
        if behind >= REPLAY_WINDOW or (behind >= 0 and self._seen >> behind & 1):
            raise SrtpError("a repeated packet")

    def note(self, index: int) -> None:
        if index > self.highest:
            self._seen = (self._seen << (index - self.highest) | 1) & ((1 << REPLAY_WINDOW) - 1)
            self.highest = index
        else:
            self._seen |= 1 << (self.highest - index)


class SrtpContext:
    """One direction of one stream: `protect` what is sent, or `unprotect` what comes; not both."""

    def __init__(self, key: SdesKey) -> None:
        self._tag_bytes = SUITES[key.suite]
        self._key, self._auth, self._salt = (derive(key.master, label, n) for label, n in ((0, 16), (1, 20), (2, 14)))
        self._rtcp_key, self._rtcp_auth, self._rtcp_salt = (
            derive(key.master, label, n) for label, n in ((3, 16), (4, 20), (5, 14))
        )
        self._windows: dict[int, _Window] = {}
        self._rtcp_window = _Window()
        self._rtcp_index = 0

    def protect(self, packet: bytes) -> bytes:
        """Encrypt and sign an RTP packet. Raises ValueError for what is none."""
        sequence, ssrc = struct.unpack_from("!H4xI", packet, 2)
        window = self._windows.setdefault(ssrc, _Window())
        index = _estimate(window.highest, sequence)
        window.note(index)
        start = header_length(packet)
        body = self._crypt(self._key, self._salt, ssrc, index, packet[start:])
        signed = packet[:start] + body
        return signed + self._sign(signed, index)

    def unprotect(self, packet: bytes) -> bytes:
        """Check and decrypt an SRTP packet. Raises SrtpError."""
        if len(packet) < HEADER_BYTES + self._tag_bytes:
            raise SrtpError("too short")
        signed, tag = packet[: -self._tag_bytes], packet[-self._tag_bytes :]
        sequence, ssrc = struct.unpack_from("!H4xI", packet, 2)
        window = self._windows.get(ssrc) or _Window()
        index = _estimate(window.highest, sequence)
        window.check(index)
        if not hmac.compare_digest(tag, self._sign(signed, index)):
            raise SrtpError("bad authentication tag")
        try:
            start = header_length(signed)
        except ValueError as error:
            raise SrtpError(str(error)) from error
        window.note(index)
        self._windows[ssrc] = window
        return signed[:start] + self._crypt(self._key, self._salt, ssrc, index, signed[start:])

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt and sign a compound RTCP packet (section 3.4)."""
        self._rtcp_index += 1
        (ssrc,) = struct.unpack_from("!I", packet, 4)
        body = self._crypt(self._rtcp_key, self._rtcp_salt, ssrc, self._rtcp_index, packet[8:])
        signed = packet[:8] + body + struct.pack("!I", 0x80000000 | self._rtcp_index)
        return signed + hmac.digest(self._rtcp_auth, signed, "sha1")[:RTCP_TAG_BYTES]

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Check and decrypt an SRTCP packet. Raises SrtpError."""
        if len(packet) < 8 + 4 + RTCP_TAG_BYTES:
            raise SrtpError("too short")
        signed, tag = packet[:-RTCP_TAG_BYTES], packet[-RTCP_TAG_BYTES:]
        if not hmac.compare_digest(tag, hmac.digest(self._rtcp_auth, signed, "sha1")[:RTCP_TAG_BYTES]):
            raise SrtpError("bad authentication tag")
        (ssrc,) = struct.unpack_from("!I", packet, 4)
        (word,) = struct.unpack_from("!I", signed, len(signed) - 4)
        index = word & 0x7FFFFFFF
        self._rtcp_window.check(index)
        self._rtcp_window.note(index)
        body = signed[8:-4]
        if word & 0x80000000:
            body = self._crypt(self._rtcp_key, self._rtcp_salt, ssrc, index, body)
        return packet[:8] + body

    def _crypt(self, key: bytes, salt: bytes, ssrc: int, index: int, data: bytes) -> bytes:
        """Section 4.1.1: IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16)."""
        counter = int.from_bytes(salt, "big") << 16 ^ ssrc << 64 ^ index << 16
        return _keystream_xor(key, counter, data)

    def _sign(self, signed: bytes, index: int) -> bytes:
        rollover = struct.pack("!I", index >> 16 & 0xFFFFFFFF)
        return hmac.digest(self._auth, signed + rollover, "sha1")[: self._tag_bytes]


def _estimate(highest: int, sequence: int) -> int:
    """The packet index that a sequence number stands for (section 3.3.1, appendix A)."""
    if highest < 0:
        return sequence
    rollover, last = highest >> 16, highest & 0xFFFF
    if last < 0x8000:
        if sequence - last > 0x8000 and rollover > 0:
            rollover -= 1
    elif last - 0x8000 > sequence:
        rollover += 1
    return rollover << 16 | sequence
