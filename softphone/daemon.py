"""The process: start and stop order, signals, readiness, and what systemd is told.

Start: configuration, log, control socket, PJSIP, accounts. The process counts as started when it serves; whether calls
can be placed is what /readyz and the status text say, since a PBX that is down must not keep the phone from starting.
Stop (SIGTERM, SIGINT): no new calls, running ones may finish within `calls.drain_s`, then BYE, then unregister. A
second signal cuts the wait short. SIGHUP reads the configuration again; a wrong one is refused and the old one stays.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from softphone import events
from softphone.aio import Tasks, Timers
from softphone.bus import Record
from softphone.config import Config, load
from softphone.config.places import default_state, name_of
from softphone.control.server import ControlServer
from softphone.engine.ending import LOST
from softphone.errors import ConfigError, SoftphoneError
from softphone.telemetry import systemd
from softphone.telemetry.event_log import log_events
from softphone.telemetry.journal import CallJournal
from softphone.telemetry.logging import Logging, configure
from softphone.wiring import build

if TYPE_CHECKING:
    from softphone.web import WebServer
    from softphone.webhook.doors import Doors

log = logging.getLogger(__name__)

EXIT_OK, EXIT_FAILED, EXIT_CONFIG = 0, 1, 5

GOODBYE_S = 15.0
"""How long hanging up and unregistering may take after the calls have had their time."""

STATUS_DELAY_S = 0.5
"""A thousand accounts that register are one status text, not a thousand."""


def run(config_path: Path | str) -> int:
    """Runs the daemon until it is told to stop. Returns the process's exit code."""
    try:
        config = load(config_path)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIG
    with configure(config.log.level, config.log.format) as logging_:
        try:
            return asyncio.run(_serve(Path(config_path), config, logging_))
        except SoftphoneError as error:
            log.error("cannot start: %s", error)
            return EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED


async def _serve(config_path: Path, config: Config, logging_: Logging) -> int:
    return await Daemon(config_path, config, logging_).run()


class Daemon:
    """One run of the process."""

    def __init__(self, config_path: Path, config: Config, logging_: Logging) -> None:
        self._config_path = config_path
        self._config = config
        self._logging = logging_
        self._agent = build(config)
        self._control = ControlServer(
            self._agent, config.control.socket, config.control.group, config.control.mode_bits
        )
        self._web = self._page()
        self._doors = self._doors_asked_for()
        self._tasks = Tasks("daemon")
        self._timers = Timers()
        self._stop_asked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._endings: list[Callable[[], None]] = []

    async def run(self) -> int:
        """Starts, serves until a signal, stops. Raises ConfigError, Conflict where it cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_stop)
        loop.add_signal_handler(signal.SIGHUP, self._ask_reload)
        self._hide_secrets(self._config)
        bus = self._agent.bus
        self._endings += [log_events(bus), bus.listen(self._watch_accounts)]
        try:
            await self._control.start()  # first: it finds out whether another daemon runs
            self._keep_journal()
            if self._web is not None:
                await self._web.start()  # before anything is registered: a port that is taken ends the start
            await self._agent.start()
            if self._doors is not None:
                await self._doors.start()
            systemd.notify("READY=1")
            self._start_watchdog()
            await self._stop_asked.wait()
            systemd.notify_stopping(self._config.calls.drain_s + GOODBYE_S, "waiting for calls to end")
        finally:
            await self._shut_down()
        return EXIT_OK

    def _page(self) -> WebServer | None:
        """The listener for browsers; without `web:` not even its code is loaded."""
        if self._config.web is None:
            return None
        from softphone.web import WebServer

        return WebServer(self._agent, self._config.web, default_state() / "web")

    def _doors_asked_for(self) -> Doors | None:
        """The listeners for webhooks and credentials; without them not even their code is loaded."""
        if self._config.webhook is None and self._config.sip_credentials is None:
            return None
        from softphone.webhook.doors import Doors

        return Doors(self._agent, self._config)

    # ---- the end

    def _ask_stop(self) -> None:
        if self._stop_asked.is_set():
            self._hurry.set()
        self._stop_asked.set()

    async def _shut_down(self) -> None:
        await self._drain(self._config.calls.drain_s)
        if self._web is not None:
            await self._web.stop()  # not before: those who talk by a browser may finish, too
        if self._doors is not None:
            await self._doors.stop()
        await self._agent.stop()
        await self._control.stop()
        self._timers.close()
        await self._tasks.close()
        for end in self._endings:
            end()

    async def _drain(self, limit_s: float) -> None:
        """Calls may finish, unless a second signal comes."""
        drain = self._tasks.spawn(self._agent.drain(limit_s), "drain")
        hurry = self._tasks.spawn(self._hurry_asked(), "second signal")
        await asyncio.wait({drain, hurry}, return_when=asyncio.FIRST_COMPLETED)
        drain.cancel()
        hurry.cancel()

    async def _hurry_asked(self) -> None:
        await self._hurry.wait()

    # ---- reload

    def _ask_reload(self) -> None:
        if not self._stop_asked.is_set():
            self._tasks.spawn(self._reload(), "reload")

    async def _reload(self) -> None:
        async with self._reloading:  # one after the other, so that the last file read is the one in force
            systemd.notify_reloading()
            try:
                await self._load_anew()
            finally:
                if not self._stop_asked.is_set():
                    systemd.notify("READY=1")

    async def _load_anew(self) -> None:
        try:
            await self._take(await asyncio.to_thread(load, self._config_path))
        except ConfigError as error:
            log.error("the configuration is refused and the old one stays: %s", error)
            self._agent.bus.publish(events.ConfigRejected(cause=str(error)))

    async def _take(self, config: Config) -> None:
        self._hide_secrets(config)
        later = await self._agent.reload(config)
        if later:
            log.warning("changes of %s take effect at the next start", ", ".join(later))
        await self._renew_certificate()

    async def _renew_certificate(self) -> None:
        try:
            if self._web is not None:
                await self._web.renew()
        except ConfigError as error:
            log.error("the page keeps its certificate as it is: %s", error)

    # ---- systemd, and what must not be logged

    def _hide_secrets(self, config: Config) -> None:
        """Those that no account brings along."""
        for secret in config.provider.secrets if config.provider else ():
            self._logging.redact.add(secret)
        if config.web:
            self._logging.redact.add(config.web.token)
        if config.webhook:
            self._logging.redact.add(config.webhook.secret)
        if config.sip_credentials:
            self._logging.redact.add(config.sip_credentials.token)
        if config.trace.hep and config.trace.hep.auth_key:
            self._logging.redact.add(config.trace.hep.auth_key)

    def _watch_accounts(self, record: Record) -> None:
        event = record.event
        if isinstance(event, events.AccountAdded | events.AccountChanged):
            self._logging.redact.add(self._agent.secret(event.account))
        if event.type.startswith("account.") and "status" not in self._timers:
            self._timers.set("status", STATUS_DELAY_S, self._tell_status)

    def _tell_status(self) -> None:
        counts = self._agent.status().accounts
        systemd.notify(f"STATUS={counts.registered} of {counts.total} accounts registered")

    def _start_watchdog(self) -> None:
        if (interval_s := systemd.watchdog_interval_s()) is not None:
            self._tasks.spawn(self._watchdog(interval_s), "watchdog")

    async def _watchdog(self, interval_s: float) -> None:
        """As long as the loop turns, systemd hears of it."""
        while True:
            systemd.notify("WATCHDOG=1")
            await asyncio.sleep(interval_s)

    # ---- the journal of calls

    def _keep_journal(self) -> None:
        """Tells of calls that the last run lost, and notes those of this one."""
        journal = CallJournal(journal_path(self._config))
        for entry in journal.lost():
            self._agent.bus.publish(
                events.CallEnded(call=entry.call_id, account=entry.account, duration_s=0.0, quality=None, **LOST)
            )
        self._endings += [self._agent.bus.listen(lambda record: _note(journal, record.event)), journal.shut]


def _note(journal: CallJournal, event: events.Event) -> None:
    match event:
        case events.CallDialing():
            journal.open(event.call, event.account, "out", event.target)
        case events.CallIncoming():
            journal.open(event.call, event.account, "in", event.caller)
        case events.CallEnded():
            journal.close(event.call)


def journal_path(config: Config) -> Path:
    """In the state folder, named after the control socket: each phone of a machine has its own."""
    return default_state() / f"calls-{name_of(config.control.socket)}.journal"
