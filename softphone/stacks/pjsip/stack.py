"""PJSIP as a stack: one endpoint, its transports, its accounts, and the order in which all of it ends."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import math
from typing import Any

import pjsua2 as pj

from softphone.aio import Tasks
from softphone.config.resolved import ResolvedAccount
from softphone.errors import MediaError
from softphone.media.ports import Device
from softphone.stacks.base import AccountSink, MediaServers, SoundDevice
from softphone.stacks.names import Names
from softphone.stacks.pjsip import nat
from softphone.stacks.pjsip.account import PjAccount
from softphone.stacks.pjsip.devices import Devices
from softphone.stacks.pjsip.failures import certificate_fault, status_fault
from softphone.stacks.pjsip.graveyard import Graveyard
from softphone.stacks.pjsip.hop import Hop, callback
from softphone.stacks.pjsip.messages import readable
from softphone.stacks.pjsip.mixer import PjMixer
from softphone.stacks.pjsip.settings import StackOptions, endpoint_config
from softphone.stacks.pjsip.siptap import Receiver, SipTap
from softphone.stacks.pjsip.transports import Transports

log = logging.getLogger(__name__)

# softphone's name of a codec -> the start of PJSIP's (name/clock rate); order is the usual preference
_CODECS = {
    "opus": "opus/48000",
    "g722": "G722/16000",
    "pcma": "PCMA/8000",
    "pcmu": "PCMU/8000",
    "gsm": "GSM/8000",
    "speex": "speex/16000",
}


class _Endpoint(pj.Endpoint):
    """PJSIP's half: runs on PJSIP's threads, copies, and posts."""

    def __init__(self, hop: Hop) -> None:
        super().__init__()
        self._hop = hop
        self.stack: PjStack | None = None

    @callback
    def onTransportState(self, prm: Any) -> None:
        if prm.state != pj.PJSIP_TP_STATE_DISCONNECTED or (stack := self.stack) is None:
            return
        tls = prm.tlsInfo
        names = remote = ""
        verify_status = 0
        if not tls.isEmpty():
            remote = tls.remoteAddr
            verify_status = tls.verifyStatus
            names = _names(tls.remoteCertInfo)
        self._hop.post(stack.on_disconnected, prm.hnd, prm.lastError, remote, verify_status, names)

    @callback
    def onMediaEvent(self, prm: Any) -> None:
        if prm.ev.type == pj.PJMEDIA_EVENT_AUD_DEV_ERROR and (stack := self.stack) is not None:
            fault = prm.ev.data.audDevError
            self._hop.post(stack.on_device_failed, fault.dir, fault.id)


def _names(certificate: Any) -> str:
    if certificate.isEmpty():
        return ""
    found = [name.name for name in certificate.subjectAltName] or [certificate.subjectCn]
    return readable(", ".join(found[:4]))


class PjStack:
    """The PJSIP stack. One per process: PJSIP keeps its state in globals."""

    def __init__(self, options: StackOptions) -> None:
        self.options = options
        self._devices = Devices(options.media.echo_cancel, options.clock_rate_hz)
        self.mixer = PjMixer(options.clock_rate_hz, self)
        self.hop: Hop
        self._endpoint: Any = None
        self._accounts: list[PjAccount] = []
        self._leaving: list[PjAccount] = []
        self.graveyard = Graveyard()
        self.transports = Transports(options)
        self.sip_tap = SipTap()
        self.servers = MediaServers()
        self._tasks = Tasks("pjsip stack")
        self._pins = set(range(1, 65536))
        self.names = Names()

    # ---- beginning and end

    async def start(self) -> None:
        """Starts PJSIP. Raises ConfigError where an address or port cannot be had."""
        self.hop = Hop(asyncio.get_running_loop())
        pj.setLogLevel(0)
        endpoint = _Endpoint(self.hop)
        self._endpoint = endpoint
        endpoint.libCreate()
        try:
            self._devices.hide()
            try:
                endpoint.libInit(endpoint_config(self.options))
            finally:
                self._devices.unhide()
            pj.installPins()
            self.sip_tap.install()
            nat.install(self.servers)
            pj.installAnswers()
            pj.setKeepAlive(math.ceil(self.options.sip.keepalive_s))
            self.transports.open(endpoint)
            endpoint.libStart()
            endpoint.audDevManager().setNullDev()  # the mixer's clock; sound devices come and go beside it
            self._order_codecs()
            self.mixer.start()
        except BaseException:
            await self.stop()
            raise
        endpoint.stack = self

    def _order_codecs(self) -> None:
        """Enables what accounts may ask for; each account narrows and orders its own offers (see sdp.py)."""
        wanted = list(_CODECS.values())
        for codec in self._endpoint.codecEnum2():
            name = codec.codecId
            place = next((i for i, start in enumerate(wanted) if name.lower().startswith(start.lower())), None)
            self._endpoint.codecSetPriority(name, 0 if place is None else 250 - place)
        opus = self._endpoint.getCodecOpusConfig()
        settings = self.options.media.opus
        opus.sample_rate = settings.rate_hz
        opus.channel_cnt = 1
        opus.bit_rate = settings.bitrate_bps
        opus.complexity = settings.complexity
        opus.packet_loss = settings.loss_percent if settings.fec else 0
        opus.fec = settings.fec
        opus.dtx = settings.dtx
        self._endpoint.setCodecOpusConfig(opus)

    async def stop(self) -> None:
        """Ends PJSIP. Calls should be over; what is left is cut without waiting for the far ends."""
        if self._endpoint is None:
            return
        endpoint, self._endpoint = self._endpoint, None
        endpoint.stack = None
        self.transports.close()
        if endpoint.libGetState() == pj.PJSUA_STATE_RUNNING:
            endpoint.hangupAllCalls()
            endpoint.libStopWorkerThreads()  # no callback from here on
        self.graveyard.clear()
        await self._tasks.close()
        await self.names.close()
        for account in [*self._accounts, *self._leaving]:
            await account.destroy()
        self._accounts, self._leaving = [], []
        await self._devices.close()
        self.mixer.stop()
        self.sip_tap.set(None)
        self.hop.close()
        endpoint.libDestroy(pj.PJSUA_DESTROY_NO_RX_MSG)

    # ---- accounts

    def open_account(self, settings: ResolvedAccount, sink: AccountSink) -> PjAccount:
        account = PjAccount(self, settings, sink)
        self._accounts.append(account)
        return account

    def take_pin(self) -> int:
        """A number to pin a first hop under, for one account alone."""
        return self._pins.pop()

    def give_back_pin(self, pin: int) -> None:
        self._pins.add(pin)

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions that we speak."""
        return self.transports.versions

    def use_servers(self, servers: MediaServers) -> None:
        """From now on calls use these STUN and TURN servers."""
        self.servers = servers
        nat.install(servers)
        for account in self._accounts:
            account.use_servers()

    def retire(self, account: PjAccount) -> None:
        """The engine is done with this account; it stays on PJSIP while calls of it are up."""
        self._accounts.remove(account)
        self._leaving.append(account)
        self.leg_over(account)

    def leg_over(self, account: PjAccount) -> None:
        """A leg of this account has ended; if it was the last of a retired account, the account goes too."""
        if account in self._leaving and not account.busy and not self._tasks.closed:
            self._tasks.spawn(self._remove(account), f"remove {account.settings.id}")

    async def _remove(self, account: PjAccount) -> None:
        await account.destroy()
        if account in self._leaving:
            self._leaving.remove(account)

    def on_disconnected(self, key: int, status: int, remote: str, verify_status: int, names: str) -> None:
        """A connection closed, or could not be made."""
        fault = certificate_fault(verify_status, names) or (status_fault(status) if status else None)
        cause = fault.cause if fault else "the far end closed the connection"
        for account in [*self._accounts, *self._leaving]:
            if fault and remote:
                account.transport_fault(remote, fault)
            account.transport_gone(key, cause)

    def on_device_failed(self, direction: int, place: int) -> None:
        """A sound device has stopped: unplugged, or its sound server is gone."""
        self._devices.failed(direction, place)

    # ---- SIP messages as they travel

    def tap(self, receiver: Receiver | None) -> None:
        self.sip_tap.set(receiver)

    def tap_lost(self) -> int:
        return self.sip_tap.lost

    # ---- what there is

    def describe(self) -> dict[str, Any]:
        """Version, codecs and TLS library, for status and doctor."""
        version = self._endpoint.libVersion() if self._endpoint else None
        codecs = [c.codecId for c in self._endpoint.codecEnum2() if c.priority > 0] if self._endpoint else []
        return {"pjsip": version.full if version else "", "codecs": codecs, "openssl": tls_library()}

    def devices(self) -> list[SoundDevice]:
        return self._devices.list()

    # ---- what the mixer asks for

    async def open_device(self, capture: str | None, playback: str | None) -> Device:
        return await self._devices.open(self._manager(), capture, playback)

    async def open_loudspeaker(self, playback: str | None) -> Device:
        return await self._devices.open_loudspeaker(self._manager(), playback)

    async def device_fault(self, capture: str | None, playback: str | None) -> str:
        return await self._devices.fault(capture, playback)

    def _manager(self) -> Any:
        if self._endpoint is None:
            raise MediaError("no sound device can be opened: the phone is not running")
        return self._endpoint.audDevManager()


def tls_library() -> str:
    """The version of the TLS library that PJSIP uses."""
    library = ctypes.CDLL("libssl.so.3")
    library.OpenSSL_version.restype = ctypes.c_char_p
    return str(library.OpenSSL_version(0).decode())
