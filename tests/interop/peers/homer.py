"""A HEP collector that others wrote: Kamailio's sipcapture, which writes what it decodes into an SQLite table."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from tests.interop.peers.ports import free_ports

_START_S = 20.0
_COLUMNS = """date micro_ts method reply_reason ruri ruri_user ruri_domain from_user from_domain from_tag to_user
to_domain to_tag pid_user contact_user auth_user callid callid_aleg via_1 via_1_branch cseq diversion reason
content_type auth user_agent source_ip source_port destination_ip destination_port contact_ip contact_port originator_ip
originator_port expires correlation_id custom_field1 custom_field2 custom_field3 proto family rtp_stat type node msg"""
_CONFIG = """
debug=1
log_stderror=yes
children=1
disable_tcp=yes
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "pv.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "textops.so"
loadmodule "db_sqlite.so"
loadmodule "sipcapture.so"
listen=udp:127.0.0.1:{port}
modparam("sipcapture", "db_url", "sqlite:///{database}")
modparam("sipcapture", "insert_retries", 1)
modparam("sipcapture", "hep_capture_on", 1)
modparam("sipcapture", "capture_on", 1)
request_route {{ sip_capture(); drop; }}
onreply_route {{ sip_capture(); drop; }}
"""


class Homer:
    """From `with` to the end of the block."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="softphone-homer-"))
        self._database = self.folder / "hep.db"
        (self.port,) = free_ports(1)

    def __enter__(self) -> Self:
        with sqlite3.connect(self._database) as made:
            columns = ", ".join(_COLUMNS.split())
            made.execute(f"create table sip_capture (id integer primary key, {columns})")
        config = self.folder / "kamailio.cfg"
        config.write_text(_CONFIG.format(port=self.port, database=self._database))
        with (self.folder / "kamailio.log").open("wb") as log:
            words = ["kamailio", "-DD", "-E", "-f", str(config), "-Y", str(self.folder), "-m", "32"]
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._await_start()
        return self

    def _await_start(self) -> None:
        """What comes before the children run waits in the socket."""
        deadline = time.monotonic() + _START_S
        while not self._listens():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError(f"Kamailio did not start:\n{(self.folder / 'kamailio.log').read_text()[-3000:]}")
            time.sleep(0.02)

    def _listens(self) -> bool:
        return f"0100007F:{self.port:04X}" in Path("/proc/net/udp").read_text()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def messages(self) -> list[dict[str, Any]]:
        """What it has decoded so far, in the order of their times."""
        with sqlite3.connect(self._database) as reader:
            reader.row_factory = sqlite3.Row
            return [dict(row) for row in reader.execute("select * from sip_capture order by micro_ts, id")]
