"""The phone that runs now, if one does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from softphone.cli.doctor.findings import Area, Finding
from softphone.control.client import ControlClient, ControlError, ControlUnreachable

RUNNING = Area("running phone")


def check_running(socket: Path) -> Iterator[Finding]:
    """Its state, and each account that is not registered with cause and advice."""
    try:
        with ControlClient(socket, timeout_s=5.0) as phone:
            status, accounts = phone.status(), phone.accounts()
    except ControlUnreachable as error:
        if socket.exists():
            yield RUNNING.warn("control socket", str(error), "start the phone, or name its socket with --socket")
        else:
            yield RUNNING.info("control socket", f"no phone runs on {socket}; `softphone run` starts one")
        return
    except ControlError as error:
        yield RUNNING.fail("control socket", str(error), "look into the phone's log")
        return
    yield from _judged(status, accounts)


def _judged(status: dict[str, Any], accounts: list[dict[str, Any]]) -> Iterator[Finding]:
    calls = f"{status['calls']['active']} calls running"
    if status["ready"]:
        yield RUNNING.ok("state", f"ready, version {status['version']}, {calls}")
    else:
        why = "; ".join(status["problems"]) or status["state"]
        yield RUNNING.fail("state", f"not ready: {why}", "see the accounts below, or `softphone status`")
    for each in status.get("listeners", []):
        seal = f", certificate SHA-256 {each['fingerprint']}" if each["fingerprint"] else ""
        yield RUNNING.ok(each["name"], f"answers at {each['url']}{seal}")
    failed = [account for account in accounts if account["state"] == "failed"]
    for account in failed:
        answer = f" ({account['code']} {account['reason']})" if account["code"] else ""
        yield RUNNING.fail(account["id"], f"not registered: {account['cause']}{answer}", account["advice"])
    registered = sum(1 for account in accounts if account["state"] == "registered")
    if registered:
        yield RUNNING.ok("accounts", f"{registered} of {len(accounts)} registered")
