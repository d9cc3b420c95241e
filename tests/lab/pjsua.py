"""The C pjsua program as a phone that somebody else wrote. `native/build.py --pjsua` makes it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.interop.peers.ports import free_block

ROOT = Path(__file__).parents[2]


def find_pjsua() -> str:
    """The program's path; the first time, this builds it."""
    command = [sys.executable, str(ROOT / "native" / "build.py"), "--pjsua"]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return found.stdout.strip().splitlines()[-1]


class Pjsua:
    """One pjsua with one account. Use `async with`; `command` types into its console."""

    def __init__(self, lab: Any, user: str, transport: str, folder: Path, *options: str, call: str = "") -> None:
        port = lab.sip_tls_port if transport == "tls" else lab.sip_udp_port
        scheme = f"sip:127.0.0.1:{port};transport={transport}"
        self.user = user
        self.recording = folder / f"{user}.wav"
        self.log = folder / f"{user}.log"
        self._arguments = [
            *(f"--id=sip:{user}@{lab.domain}", f"--registrar=sip:{lab.domain}", f"--outbound={scheme};lr"),
            *("--realm=*", f"--username={user}", f"--password={lab.extension(user).password}"),
            # with TLS pjsua listens on the port above; not even two of them can share it
            *(
                f"--local-port={free_block(8) if transport == 'tls' else 0}",
                "--bound-addr=127.0.0.1",
                "--ip-addr=127.0.0.1",
                "--null-audio",
                "--no-vad",
            ),
            *(f"--rec-file={self.recording}", "--auto-rec", f"--log-file={self.log}", "--log-level=5"),
            *(("--use-tls", f"--tls-ca-file={lab.ca_file}", "--tls-verify-server") if transport == "tls" else ()),
            *(("--no-udp",) if transport != "udp" else ()),
            *options,
            *((f"sip:{call}@{lab.domain}",) if call else ()),
        ]

    async def __aenter__(self) -> Pjsua:
        self._process = await asyncio.create_subprocess_exec(
            await asyncio.to_thread(find_pjsua),
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.command("q")
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def command(self, text: str) -> None:
        """Type one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode() + b"\n")
