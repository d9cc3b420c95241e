"""Calls a peer that will be the DTLS client and knows ECDSA only; prints what kind of certificate it was shown.

    python -m tests.native.programs.dtls_certificate

The peer sends one ClientHello (RFC 6347, RFC 5246) with the cipher suite that every WebRTC implementation must have
(RFC 8827 section 6.5). Up to DTLS 1.2 the server's certificate comes back in the clear.
"""

import json
import os
import queue
import struct

import pjsua2 as pj
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ..bench import DEADLINE_S, quiet_endpoint
from ..udp_peer import Request, UdpPeer

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} UDP/TLS/RTP/SAVP 0\r\na=setup:active\r\na=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
)
HANDSHAKE, ALERT = 22, 21  # record types
CLIENT_HELLO, HELLO_VERIFY_REQUEST, CERTIFICATE = 1, 3, 11  # handshake types
ECDHE_ECDSA_AES128_GCM_SHA256 = 0xC02B
DTLS12 = b"\xfe\xfd"


def sized(data: bytes, width: int) -> bytes:
    """A TLS vector: its length in `width` bytes, then the data."""
    return len(data).to_bytes(width, "big") + data


def extension(kind: int, data: bytes) -> bytes:
    return struct.pack("!H", kind) + sized(data, 2)


def client_hello(cookie: bytes, sequence: int) -> bytes:
    """One record with one ClientHello that offers ECDSA on P-256 and nothing else."""
    extensions = extension(10, sized(struct.pack("!H", 23), 2))  # supported_groups: secp256r1
    extensions += extension(11, sized(b"\0", 1))  # ec_point_formats: uncompressed
    extensions += extension(13, sized(b"\4\3", 2))  # signature_algorithms: ecdsa_secp256r1_sha256
    extensions += extension(14, sized(struct.pack("!H", 1), 2) + b"\0")  # use_srtp: AES128_CM_SHA1_80
    body = DTLS12 + os.urandom(32) + sized(b"", 1) + sized(cookie, 1)
    body += sized(struct.pack("!H", ECDHE_ECDSA_AES128_GCM_SHA256), 2) + sized(b"\0", 1) + sized(extensions, 2)
    length = len(body).to_bytes(3, "big")
    message = bytes([CLIENT_HELLO]) + length + struct.pack("!H", sequence) + b"\0\0\0" + length + body
    return bytes([HANDSHAKE]) + DTLS12 + b"\0\0" + sequence.to_bytes(6, "big") + sized(message, 2)


def records(datagram: bytes) -> list[tuple[int, bytes]]:
    """Type and content of each DTLS record."""
    found = []
    while len(datagram) >= 13:
        length = int.from_bytes(datagram[11:13], "big")
        found.append((datagram[0], datagram[13 : 13 + length]))
        datagram = datagram[13 + length :]
    return found


class Handshakes:
    """Puts the fragments of handshake messages together."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int], bytearray] = {}
        self._missing: dict[tuple[int, int], int] = {}

    def add(self, record: bytes) -> list[tuple[int, bytes]]:
        """Messages that this record completes."""
        done = []
        while len(record) >= 12:
            kind, length, offset, size = (
                record[0], int.from_bytes(record[1:4], "big"), int.from_bytes(record[6:9], "big"),
                int.from_bytes(record[9:12], "big"),
            )  # fmt: skip
            key = (kind, int.from_bytes(record[4:6], "big"))
            body = self._parts.setdefault(key, bytearray(length))
            body[offset : offset + size] = record[12 : 12 + size]
            self._missing[key] = self._missing.get(key, length) - size
            if self._missing[key] == 0:
                done.append((kind, bytes(body)))
            record = record[12 + size :]
        return done


def certificate_shown(peer: UdpPeer, to: tuple[str, int]) -> dict[str, object]:
    """Says hello until a certificate or a fatal alert comes."""
    peer.rtp.settimeout(DEADLINE_S)
    peer.rtp.sendto(client_hello(b"", 0), to)
    messages = Handshakes()
    while True:
        for kind, content in records(peer.rtp.recv(65536)):
            if kind == ALERT:
                return {"alert": content[1]}
            if kind != HANDSHAKE:
                continue
            for message, body in messages.add(content):
                if message == HELLO_VERIFY_REQUEST:
                    peer.rtp.sendto(client_hello(body[3 : 3 + body[2]], 1), to)
                elif message == CERTIFICATE:
                    return describe(body[6:])


def describe(der: bytes) -> dict[str, object]:
    key = x509.load_der_x509_certificate(der).public_key()
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else None
    return {"key": type(key).__name__, "curve": curve}


def main() -> dict[str, object]:
    answered: queue.Queue[Request] = queue.Queue()
    peer = UdpPeer(after_ack=answered.put, sdp=SDP)
    with quiet_endpoint() as endpoint:
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        config = pj.AccountConfig()
        config.idUri = "sip:caller@127.0.0.1"
        config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
        config.mediaConfig.srtpSecureSignaling = 0
        config.mediaConfig.srtpOpt.keyings.append(pj.PJMEDIA_SRTP_KEYING_DTLS_SRTP)
        account = pj.Account()
        account.create(config)
        call = pj.Call(account)
        options = pj.CallOpParam(True)
        options.opt.videoCount = options.opt.textCount = 0
        call.makeCall(peer.uri, options)
        result = certificate_shown(peer, answered.get(timeout=DEADLINE_S).rtp)
        endpoint.hangupAllCalls()
        account.shutdown()
    peer.close()
    return result


if __name__ == "__main__":
    print(json.dumps(main()))
