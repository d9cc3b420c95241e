"""SRTP and SRTCP: AES in counter mode with HMAC-SHA1 (RFC 3711, RFC 6188), AES-GCM (RFC 7714).

The keys come by SDES (RFC 4568), or out of a DTLS handshake.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from softphone.lab.media.rtp import HEADER_BYTES, header_length

KDF_SALT_BYTES = 14
RTCP_TAG_BYTES = 10  # 80 bits also where RTP has 32 (RFC 4568 section 6.2)
GCM_TAG_BYTES = 16
REPLAY_WINDOW = 64


@dataclass(frozen=True)
class Suite:
    """The sizes of a crypto suite; `tag_bytes` of the RTP authentication tag."""

    key_bytes: int
    salt_bytes: int
    tag_bytes: int
    gcm: bool = False


SUITES = {
    "AES_CM_128_HMAC_SHA1_80": Suite(16, 14, 10),
    "AES_CM_128_HMAC_SHA1_32": Suite(16, 14, 4),
    "AES_256_CM_HMAC_SHA1_80": Suite(32, 14, 10),
    "AES_256_CM_HMAC_SHA1_32": Suite(32, 14, 4),
    "AEAD_AES_128_GCM": Suite(16, 12, GCM_TAG_BYTES, gcm=True),
    "AEAD_AES_256_GCM": Suite(32, 12, GCM_TAG_BYTES, gcm=True),
}

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
        suite = SUITES[found.group(2)]
        if len(master) != suite.key_bytes + suite.salt_bytes:
            return None
        return cls(int(found.group(1)), found.group(2), master)

    @classmethod
    def new(cls, suite: str, tag: int = 1) -> SdesKey:
        """A fresh random key."""
        return cls(tag, suite, secrets.token_bytes(SUITES[suite].key_bytes + SUITES[suite].salt_bytes))

    def __str__(self) -> str:
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.master).decode()}"

    def __repr__(self) -> str:
        return f"SdesKey({self.tag}, {self.suite})"


def _keystream_xor(key: bytes, counter: int, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter.to_bytes(16, "big"))).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def derive(key: bytes, salt: bytes, label: int, length: int) -> bytes:
    """The key derivation of section 4.3.1, at rate 0; GCM's short salt is filled up (RFC 7714 section 11)."""
    x = int.from_bytes(salt.ljust(KDF_SALT_BYTES, b"\0"), "big") ^ (label << 48)
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
        suite = SUITES[key.suite]
        master, salt = key.master[: suite.key_bytes], key.master[suite.key_bytes :]
        sizes = (suite.key_bytes, 20, suite.salt_bytes)
        self._key, self._auth, self._salt = (derive(master, salt, n, size) for n, size in enumerate(sizes))
        self._rtcp_key, self._rtcp_auth, self._rtcp_salt = (
            derive(master, salt, n, size) for n, size in enumerate(sizes, 3)
        )
        self._tag_bytes = suite.tag_bytes
        self._gcm = suite.gcm
        self._aead, self._rtcp_aead = (AESGCM(each) for each in (self._key, self._rtcp_key))
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
        if self._gcm:
            return packet[:start] + self._aead.encrypt(self._rtp_iv(ssrc, index), packet[start:], packet[:start])
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
        if not self._gcm and not hmac.compare_digest(tag, self._sign(signed, index)):
            raise SrtpError("bad authentication tag")
        try:
            start = header_length(signed)
        except ValueError as error:
            raise SrtpError(str(error)) from error
        if self._gcm:
            body = _opened(self._aead, self._rtp_iv(ssrc, index), packet[start:], packet[:start])
        else:
            body = self._crypt(self._key, self._salt, ssrc, index, signed[start:])
        window.note(index)
        self._windows[ssrc] = window
        return signed[:start] + body

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt and sign a compound RTCP packet (section 3.4)."""
        self._rtcp_index += 1
        (ssrc,) = struct.unpack_from("!I", packet, 4)
        if self._gcm:
            word = struct.pack("!I", 0x80000000 | self._rtcp_index)
            return packet[:8] + self._rtcp_aead.encrypt(self._rtcp_iv(ssrc), packet[8:], packet[:8] + word) + word
        body = self._crypt(self._rtcp_key, self._rtcp_salt, ssrc, self._rtcp_index, packet[8:])
        signed = packet[:8] + body + struct.pack("!I", 0x80000000 | self._rtcp_index)
        return signed + hmac.digest(self._rtcp_auth, signed, "sha1")[:RTCP_TAG_BYTES]

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Check and decrypt an SRTCP packet. Raises SrtpError."""
        if self._gcm:
            return self._open_rtcp(packet)
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

    def _open_rtcp(self, packet: bytes) -> bytes:
        """GCM (RFC 7714 section 9): the index word comes last, and is always sent encrypted here."""
        if len(packet) < 8 + GCM_TAG_BYTES + 4 or not packet[-4] & 0x80:
            raise SrtpError("too short, or not encrypted")
        (ssrc,) = struct.unpack_from("!I", packet, 4)
        index = struct.unpack_from("!I", packet, len(packet) - 4)[0] & 0x7FFFFFFF
        self._rtcp_window.check(index)
        body = _opened(self._rtcp_aead, self._rtcp_iv(ssrc, index), packet[8:-4], packet[:8] + packet[-4:])
        self._rtcp_window.note(index)
        return packet[:8] + body

    def _rtp_iv(self, ssrc: int, index: int) -> bytes:
        """RFC 7714 section 8.1: two zero bytes, SSRC, rollover counter and sequence number, XOR the salt."""
        return _xor(struct.pack("!HIQ", 0, ssrc, index << 16)[:12], self._salt)

    def _rtcp_iv(self, ssrc: int, index: int | None = None) -> bytes:
        """RFC 7714 section 9.1: the same with two zero bytes between SSRC and index."""
        return _xor(struct.pack("!HIHI", 0, ssrc, 0, self._rtcp_index if index is None else index), self._rtcp_salt)

    def _crypt(self, key: bytes, salt: bytes, ssrc: int, index: int, data: bytes) -> bytes:
        """Section 4.1.1: IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16)."""
        counter = int.from_bytes(salt, "big") << 16 ^ ssrc << 64 ^ index << 16
        return _keystream_xor(key, counter, data)

    def _sign(self, signed: bytes, index: int) -> bytes:
        rollover = struct.pack("!I", index >> 16 & 0xFFFFFFFF)
        return hmac.digest(self._auth, signed + rollover, "sha1")[: self._tag_bytes]


def _xor(one: bytes, two: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, two, strict=True))


def _opened(aead: AESGCM, iv: bytes, data: bytes, header: bytes) -> bytes:
    try:
        return aead.decrypt(iv, data, header)
    except InvalidTag as error:
        raise SrtpError("bad authentication tag") from error


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
