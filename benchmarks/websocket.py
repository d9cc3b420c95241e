"""What a call over WebSocket (ICE, DTLS-SRTP) costs beside the same call over TLS with SDES: two daemons that have the
same calls to the same lab at the same time, each measured over the same windows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.daemons import Daemon, daemon, lab
from benchmarks.processes import cpu_s, spent_s, until
from softphone.testing.audio import speech_like, write_wav

AIM = 1.15
ECHO = "9196"
WAYS = {"tls": {"srtp": "mandatory"}, "wss": {}}
SAME = {"codecs": ["opus"], "srtp_suites": ["AES_CM_128_HMAC_SHA1_80"], "max_calls": 50}
SETTLE_S = 3.0  # handshakes, and the first packets in disorder


@dataclass(frozen=True, slots=True)
class Cost:
    """Per cent of a core for one call, over TLS and over WebSocket; `ratio` is the median of the windows' ratios."""

    calls: int
    tls_percent: float
    wss_percent: float
    ratio: float


def costs(counts: tuple[int, ...], windows: int, window_s: float) -> list[Cost]:
    """Measures each number of calls."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        write_wav(folder / "speech.wav", speech_like(10))
        configs = stack.enter_context(lab())
        phones = {way: stack.enter_context(daemon(_config(configs[way], way, folder))) for way in WAYS}
        return [_cost(phones, count, windows, window_s) for count in counts]


def _config(config: Mapping[str, Any], way: str, folder: Path) -> dict[str, Any]:
    (entry,) = config["accounts"]
    extension = entry["extensions"][list(WAYS).index(way)]
    sound = {"audio": {"file": str(folder / "speech.wav"), "loop": True}}
    return {**config, "accounts": [entry | SAME | WAYS[way] | sound | {"extensions": [extension]}]}


def _cost(phones: Mapping[str, Daemon], count: int, windows: int, window_s: float) -> Cost:
    calls = {way: [_dial(phone) for _ in range(count)] for way, phone in phones.items()}
    for way, phone in phones.items():
        until(lambda p=phone: _active(p) == count, f"{count} calls over {way}")
    time.sleep(SETTLE_S)
    found = [_window(phones, count, window_s) for _ in range(windows)]
    for way, phone in phones.items():
        for call in calls[way]:
            phone.client.request("DELETE", f"/v1/calls/{call}")
        until(lambda p=phone: _active(p) == 0, "the end of the calls")
    tls, wss = (median(each[way] for each in found) for way in ("tls", "wss"))
    return Cost(count, tls, wss, median(each["wss"] / each["tls"] for each in found))


def _dial(phone: Daemon) -> str:
    return str(phone.client.request("POST", "/v1/calls", {"target": ECHO})["id"])


def _active(phone: Daemon) -> int:
    calls = phone.client.request("GET", "/v1/calls")
    return sum(1 for call in calls if call["state"] == "active" and call["codec"])


def _window(phones: Mapping[str, Daemon], count: int, window_s: float) -> dict[str, float]:
    before = {way: cpu_s(phone.child.pid) for way, phone in phones.items()}
    time.sleep(window_s)
    return {way: 100 * spent_s(before[way], cpu_s(phone.child.pid)) / window_s / count for way, phone in phones.items()}


def table(found: list[Cost]) -> str:
    """As text for a terminal and for docs."""
    lines = [
        "A call over WebSocket (ICE, DTLS-SRTP) beside the same over TLS + SDES: Opus, speech, % of a core each",
        "| calls | TLS + SDES | WebSocket + DTLS | ratio | aim |",
        "|---|---|---|---|---|",
    ]
    for each in found:
        verdict = f"{AIM:g}: {'met' if each.ratio <= AIM else 'missed'}"
        lines.append(
            f"| {each.calls} | {each.tls_percent:.2f} | {each.wss_percent:.2f} | {each.ratio:.2f} | {verdict} |"
        )
    return "\n".join(lines)
