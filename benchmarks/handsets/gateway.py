"""The process that is measured: each browser talks in a SIP call of its own.

    python -m benchmarks.handsets.gateway ours|documented --port PORT [--speech N]

Lines in: `offers [...]` (each gets a call to PORT and an answer), `listen`, `heard`, `figures`. Lines out: JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.handsets.documented import Documented
from benchmarks.impairments.voices import RATE_HZ, speech
from softphone.agent import Agent
from softphone.config import Config, Context
from softphone.media.ports import Port
from softphone.wiring import build

ROUNDS = 4


def config(port: int, folder: Path) -> Config:
    """One account that calls 127.0.0.1:`port` and registers nowhere; G.711 there, 16 kHz on the mixer."""
    secret = folder / "secret"
    secret.write_text("none\n")
    secret.chmod(0o600)
    account = {
        "username": "gateway",
        "domain": "127.0.0.1",
        "password": {"file": str(secret)},
        "register": False,
        "transport": "udp",
        "registrar": f"127.0.0.1:{port}",
        "codecs": ["pcmu"],
        "max_calls": 100,
    }
    data = {
        "accounts": [account],
        "sip": {"bind": "127.0.0.1"},
        "calls": {"max_calls": 100},
        "media": {"clock_rate_hz": 16000, "recordings_dir": str(folder)},
        "control": {"socket": str(folder / "control.sock")},
    }
    return Config.model_validate(data, context=Context(base=folder))


class Gateway:
    """Answers lines of text. With `parts` of speech, browsers hear that and are in no call."""

    def __init__(self, agent: Agent, kind: str, port: int, parts: int) -> None:
        self._agent, self._kind, self._port, self._parts = agent, kind, port, parts
        self._kept: list[Documented] = []
        self._voices: list[Port] = []
        self._first: Port | None = None
        self._heard: list[tuple[float, bytes]] = []
        self._tap: Any = None

    async def offers(self, offers: list[str]) -> list[str]:
        return [await self._one(offer) for offer in offers]

    async def _one(self, offer: str) -> str:
        call = None if self._parts else await self._call()
        if self._kind == "ours":
            view, answer = await self._agent.open_handset(offer)
            if call:
                await self._agent.attach_handset(view.id, call)
            port: Port = self._agent._handsets._lines[view.id].port  # type: ignore[union-attr, assignment]
        else:
            handset = Documented(self._agent._world.mixer.open_pcm(f"documented {len(self._kept)}"))
            if call:
                self._agent._world.graph.bridge(handset.port, self._agent._running(call).port)
            self._kept.append(handset)
            port, answer = handset.port, await handset.answer(offer)
        self._first = self._first or port
        if self._parts:
            self._speak(port)
        return answer

    async def _call(self) -> str:
        call = self._agent.dial(f"sip:echo@127.0.0.1:{self._port}").id
        await self._agent.wait(call, for_="answered", timeout_s=10)
        return call

    def _speak(self, port: Port) -> None:
        """Says its speech several times over, for whoever listens."""
        said = np.tile(speech(self._parts), ROUNDS)
        voice = self._agent._world.mixer.open_pcm("speech", queue_ms=len(said) * 1000 // RATE_HZ + 1000)
        voice.write(said.tobytes())
        self._agent._world.graph.connect(voice, port)
        self._voices.append(voice)

    def listen(self) -> str:
        """Keeps what comes from the first browser, with the mixer's own times."""
        self._tap = self._agent._world.mixer.open_pcm("tap", queue_ms=2000)
        self._tap.on_pcm(lambda pcm: self._heard.append((self._tap._pcm.stat().lastPutTime, pcm)))
        self._agent._world.graph.connect(self._first, self._tap)  # type: ignore[arg-type]
        return "ok"

    def heard(self) -> list[tuple[float, str]]:
        return [(at_s, base64.b64encode(pcm).decode()) for at_s, pcm in self._heard]

    def figures(self) -> list[dict[str, Any]]:
        return [view.figures for view in self._agent.handsets()]


async def serve(kind: str, port: int, parts: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        agent = build(config(port, Path(folder)))
        await agent.start()
        gateway = Gateway(agent, kind, port, parts)
        loop = asyncio.get_running_loop()
        _say("ready")
        while text := await loop.run_in_executor(None, sys.stdin.readline):
            word, _, rest = text.strip().partition(" ")
            if word == "offers":
                _say(await gateway.offers(json.loads(rest)))
            elif word in ("listen", "heard", "figures"):
                _say(getattr(gateway, word)())


def _say(words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("kind", choices=("ours", "documented"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--speech", type=int, default=0, metavar="N", help="says N parts of real speech to browsers")
    args = parser.parse_args()
    asyncio.run(serve(args.kind, args.port, args.speech))


if __name__ == "__main__":
    main()
