"""Examples for the OpenAPI document. Tests hold them against the views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCOUNT: Mapping[str, Any] = {
    "id": "901@pbx.example",
    "username": "901",
    "domain": "pbx.example",
    "display_name": "Reception",
    "transport": "tls",
    "registrar": "pbx.example:5061",
    "state": "registered",
    "expires_s": 3600,
    "registered_since": "2025-01-01T12:00:00.000Z",
    "code": 200,
    "reason": "OK",
    "cause": "",
    "advice": "",
    "retry_in_s": None,
    "registrar_address": "192.0.2.5:5061",
    "outbound": False,
    "srtp": "mandatory",
    "codecs": ["opus", "PCMU"],
    "calls": 1,
    "dnd": False,
}

CALL: Mapping[str, Any] = {
    "id": "c1",
    "account": "901@pbx.example",
    "direction": "out",
    "state": "active",
    "remote": "sip:9196@pbx.example",
    "remote_name": "",
    "called": "9196",
    "sip_call_id": "mA3XqT0u",
    "headers": {},
    "created": "2025-01-01T12:00:00.000Z",
    "answered": "2025-01-01T12:00:01.200Z",
    "ended": None,
    "duration_s": 4.2,
    "codec": "PCMU",
    "clock_rate_hz": 8000,
    "direction_media": "sendrecv",
    "srtp": "",
    "path": {
        "ice": "completed",
        "local_candidate": "srflx",
        "local_address": "203.0.113.1:20000",
        "remote_candidate": "host",
        "remote_address": "203.0.113.5:16384",
    },
    "srtp_keying": "",
    "held_by": [],
    "muted": False,
    "conference": None,
    "early_media": False,
    "plays": ["p1"],
    "records": [{"id": "r1", "file": "/var/lib/softphone/call.wav"}],
    "audio": {
        "route": "null",
        "input": None,
        "output": None,
        "file": None,
        "loop": False,
        "input_gain_db": 0.0,
        "output_gain_db": 0.0,
    },
    "sound": {"device": "", "cause": "", "far_dbfs": -31.5, "near_dbfs": -96.0, "meter": None},
    "end": None,
    "quality": None,
}

STATUS: Mapping[str, Any] = {
    "version": "0.1.0",
    "started": "2025-01-01T11:59:58.000Z",
    "uptime_s": 63.0,
    "ready": True,
    "state": "running",
    "accounts": {"total": 2, "registered": 2, "failed": 0},
    "calls": {"total": 5, "active": 1},
    "provider": {
        "state": "ok",
        "cause": "",
        "extensions": 2,
        "last_success": "2025-01-01T12:00:00.000Z",
        "retry_in_s": 300.0,
        "problems": [],
    },
    "native": {"pjsip": "2.17", "codecs": ["opus/48000", "PCMU/8000"], "openssl": "3.0.2"},
    "nat": [
        {
            "kind": "stun",
            "server": "stun.example.com:3478",
            "state": "ok",
            "seen": "203.0.113.1:49152",
            "cause": "",
            "advice": "",
        }
    ],
    "live": {
        "state": "connected",
        "cause": "",
        "extensions": 2,
        "since": "2025-01-01T11:59:59.000Z",
        "retry_in_s": None,
        "calls": 12,
        "gaps": 0,
        "unreadable": 0,
        "problems": [],
    },
    "webhook": {
        "state": "ok",
        "cause": "",
        "port": 8481,
        "received": 15,
        "duplicates": 0,
        "refused": 0,
        "unreadable": 0,
        "other": 1,
        "waiting": 0,
        "dropped": 0,
        "last": "2025-01-01T12:00:58.000Z",
    },
    "timeline": {
        "state": "ok",
        "cause": "",
        "open": 1,
        "closed": 4,
        "complete": 4,
        "with_differences": 0,
        "late": 0,
        "stored": 5,
    },
    "listeners": [{"name": "web", "url": "https://127.0.0.1:8443/", "fingerprint": ":".join(["4F"] * 32)}],
    "problems": [],
}

PROBLEM: Mapping[str, Any] = {
    "type": "urn:softphone:problem:conflict",
    "title": "Not possible in the present state",
    "status": 409,
    "detail": "901@pbx.example is not registered: the PBX refused the password (403 Forbidden)",
    "instance": "/v1/calls",
}

CONFERENCE: Mapping[str, Any] = {"id": "f1", "calls": ["c1", "c2"], "local": True}

HANDSET: Mapping[str, Any] = {
    "id": "h1",
    "name": "Ann's browser",
    "state": "connected",
    "codec": "opus/48000",
    "calls": {"c1": "talk"},
    "figures": {"rtt_ms": 21.5, "tx_loss_percent": 0.0, "voice": {"rx_lost": 0, "delay_ms": 31.0, "drift_ppm": -12.0}},
}

EXPECTED: Mapping[str, Any] = {
    "id": "x1",
    "account": "901@pbx.example",
    "caller": "0033*",
    "after_s": 0.0,
    "asked_only": False,
    "expires": "2025-01-01T12:00:30.000Z",
}

COLLECT: Mapping[str, Any] = {
    "id": "g1",
    "call": "c1",
    "running": False,
    "digits": "1234",
    "reason": "terminator",
    "terminator": "#",
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "AccountView": ACCOUNT,
    "CallView": CALL,
    "ConferenceView": CONFERENCE,
    "HandsetView": HANDSET,
    "HandsetAnswer": {"handset": HANDSET, "sdp": "v=0\r\n…"},
    "CollectView": COLLECT,
    "ExpectedView": EXPECTED,
    "AgentStatus": STATUS,
    "ProblemDocument": PROBLEM,
}
