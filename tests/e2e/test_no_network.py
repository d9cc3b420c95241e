"""Without a network: each way to fail has its own words. In a network namespace that has no interface but loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from tests.support.phone import running

async def failure(account):
    account = {"username": "901", "password": {"env": "SECRET"}} | account
    config = {"accounts": [account], "sip": {"bind": "0.0.0.0"}}
    async with running(config, Path(sys.argv[1])) as phone:
        return await phone.told("account.failed")

async def main():
    routes = [{"domain": "pbx.test", "registrar": "198.51.100.7", "transport": t} for t in ("tls", "tcp", "udp")]
    told = [await failure(account) for account in [*routes, {"domain": "pbx.example.com"}]]
    print(json.dumps([[t["code"], t["cause"], t["advice"]] for t in told]))

asyncio.run(main())
"""


def test_no_route_and_no_name_server_are_told_apart(tmp_path: Path) -> None:
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    done = subprocess.run(
        [*unshare, sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"SECRET": "x", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    *routes, name = json.loads(done.stdout)
    for code, cause, advice in routes:
        assert (code, cause) == (0, "there is no route to the network")
        assert "network connection" in advice
    assert name[0] == 0
    assert "pbx.example.com cannot be looked up" in name[1]
    assert "DNS servers" in name[2]
