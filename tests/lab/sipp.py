"""SIPp as a phone that somebody else wrote."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

SCENARIOS = Path(__file__).parent / "sipp"
TRANSPORTS = {"udp": "u1", "tcp": "t1"}


@dataclass(frozen=True)
class Sipp:
    """Runs scenarios against one SIP port as one extension; `folder` takes its logs."""

    port: int
    domain: str
    user: str
    password: str
    folder: Path
    transport: str = "udp"

    async def run(self, scenario: str, *arguments: str, calls: int = 1, timeout_s: int = 20) -> None:
        """Run a scenario to its end; AssertionError with SIPp's own words if a call of it failed."""
        process = await asyncio.create_subprocess_exec(
            *self._command(scenario, calls, timeout_s),
            *arguments,
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            code = await asyncio.wait_for(process.wait(), timeout_s + 5)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        assert code == 0, f"sipp {scenario} ended with {code}: {self._errors(process.pid)}"

    def _command(self, scenario: str, calls: int, timeout_s: int) -> list[str]:
        program = shutil.which("sipp")
        assert program is not None, "SIPp is not installed: apt-get install sip-tester"
        return [
            *(program, f"127.0.0.1:{self.port}", "-sf", str(SCENARIOS / scenario), "-i", "127.0.0.1"),
            *("-t", TRANSPORTS[self.transport], "-m", str(calls), "-timeout", f"{timeout_s}s"),
            *("-key", "user", self.user, "-key", "domain", self.domain, "-nostdin", "-trace_err"),
            *("-au", self.user, "-ap", self.password, "-timeout_error", "-trace_msg"),
        ]

    def _errors(self, pid: int) -> str:
        logs = sorted(self.folder.glob(f"*_{pid}_errors.log")) + sorted(self.folder.glob(f"*_{pid}_messages.log"))
        return "\n".join(log.read_text(errors="replace")[-3000:] for log in logs)
