"""HEP version 3: a SIP message wrapped for a collector such as HOMER, Kamailio's sipcapture or sngrep.

Format: https://github.com/sipcapture/HEP/blob/master/docs/HEP3NetworkProtocolSpecification_REV26.pdf. All chunks are of
vendor 0.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

from softphone.errors import UsageError
from softphone.tracing.message import SipMessage

MAX_BYTES = 65_535
"""The length field has 16 bits. A UDP datagram holds 28 bytes less over IPv4."""

_FAMILY, _PROTOCOL = 1, 2
_SOURCE_4, _TARGET_4, _SOURCE_6, _TARGET_6 = 3, 4, 5, 6
_SOURCE_PORT, _TARGET_PORT = 7, 8
_SECONDS, _MICROS = 9, 10
_KIND, _CAPTURE_ID = 11, 12
_AUTH_KEY, _PAYLOAD, _CORRELATION = 14, 15, 17
_SIP = 1
_AF_INET, _AF_INET6 = 2, 10
_UDP, _TCP = 17, 6


def packet(message: SipMessage, *, capture_id: int, auth_key: str = "", correlation: str = "") -> bytes:
    """The message as one HEP packet; what travelled in TLS is said to have travelled by TCP.

    correlation: ties messages of a call together, usually the Call-ID. Raises UsageError where it cannot be wrapped:
    too long, or addresses that are none.
    """
    source, target = (message.local, message.remote) if message.sent else (message.remote, message.local)
    try:
        a, b = ip_address(source.address), ip_address(target.address)
    except ValueError:
        raise UsageError("a HEP packet needs numeric addresses") from None
    if a.version != b.version:
        raise UsageError("both addresses of a HEP packet have to be of one family")
    v4 = a.version == 4
    seconds, micros = divmod(message.time_us, 1_000_000)
    chunks = [
        _chunk(_FAMILY, struct.pack("!B", _AF_INET if v4 else _AF_INET6)),
        _chunk(_PROTOCOL, struct.pack("!B", _UDP if message.transport == "udp" else _TCP)),
        _chunk(_SOURCE_4 if v4 else _SOURCE_6, a.packed),
        _chunk(_TARGET_4 if v4 else _TARGET_6, b.packed),
        _chunk(_SOURCE_PORT, struct.pack("!H", source.port)),
        _chunk(_TARGET_PORT, struct.pack("!H", target.port)),
        _chunk(_SECONDS, struct.pack("!I", seconds & 0xFFFFFFFF)),
        _chunk(_MICROS, struct.pack("!I", micros)),
        _chunk(_KIND, struct.pack("!B", _SIP)),
        _chunk(_CAPTURE_ID, struct.pack("!I", capture_id)),
        _chunk(_AUTH_KEY, auth_key.encode()) if auth_key else b"",
        _chunk(_CORRELATION, correlation.encode("utf-8", "replace")) if correlation else b"",
        _chunk(_PAYLOAD, message.data),
    ]
    body = b"".join(chunks)
    return b"HEP3" + struct.pack("!H", _checked(len(body) + 6)) + body


def _chunk(kind: int, value: bytes) -> bytes:
    return struct.pack("!HHH", 0, kind, _checked(len(value) + 6)) + value


def _checked(length: int) -> int:
    if length > MAX_BYTES:
        raise UsageError(f"the message is too long for a HEP packet ({length} of {MAX_BYTES} bytes)")
    return length
