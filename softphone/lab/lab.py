"""The lab itself: everything started together, stopped together, and the handles that tests pull."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from softphone.lab import agent_config as config
from softphone.lab.addresses import in_uri
from softphone.lab.calls import CallRecord
from softphone.lab.certificates import CertificateFiles, make_certificates, write_private
from softphone.lab.directory import Directory, Extension, Tenant
from softphone.lab.events import EventLog, LabEvent
from softphone.lab.faults import ApiFault, FaultKind
from softphone.lab.options import LabOptions
from softphone.lab.rest import RestApi
from softphone.lab.sip import message as sip
from softphone.lab.sip.registrar import Binding
from softphone.lab.sip.transport import Network
from softphone.lab.switch import Switch
from softphone.lab.webserver import WebServer


class Lab:
    """The emulated PBX. `async with Lab(options) as lab:`; its ports are known inside the block."""

    def __init__(self, options: LabOptions | None = None) -> None:
        self.options = options or LabOptions()
        self.events = EventLog()
        self.start_s = 0.0  # how long the start took
        self.api_token = self.options.api_token or secrets.token_hex(16)
        self._tenant = self._make_tenant()
        self._directory = Directory(self._tenant)
        self._directory.allow(self.api_token, self._tenant)
        self._rest = RestApi(self._directory, self.events)
        self._exit = contextlib.AsyncExitStack()
        self._state_dir: Path | None = None
        self._switch: Switch | None = None
        self._web: WebServer | None = None
        self._certificates: CertificateFiles | None = None

    def _make_tenant(self) -> Tenant:
        tenant = Tenant(self.options.domain)
        for numbers, enabled in ((self.options.extensions, True), (self.options.disabled, False)):
            for number in numbers:
                tenant.add(number, password=self.options.passwords.get(number, ""), enabled=enabled)
        return tenant

    async def __aenter__(self) -> Lab:
        began = time.perf_counter()
        async with self._exit:
            self._prepare_state()
            await self._open()
            self._exit = self._exit.pop_all()
        self.start_s = time.perf_counter() - began
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    def _prepare_state(self) -> None:
        folder = self.options.state_dir
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="softphone-lab-"))
            self._exit.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._state_dir = folder
        names = (self.options.domain, "localhost", "127.0.0.1", self.options.host)
        self._certificates = make_certificates(folder, tuple(dict.fromkeys(names)))
        write_private(folder / "api-token", self.api_token.encode() + b"\n")

    async def _open(self) -> None:
        self._switch = Switch(self.options, self._directory, self.events)
        self._exit.push_async_callback(self._switch.endpoint.close)
        await self._switch.endpoint.network.open(
            self._files.server_context(), port=self.options.sip_port, tls_port=self.options.sip_tls_port
        )
        await self._open_websockets(self._switch.endpoint.network)
        tls = self._files if self.options.api_https else None
        self._web = WebServer(self._rest.app, self.options.host, self.options.api_port, tls)
        self._rest.cut = self._web.cut
        self._exit.push_async_callback(self._web.stop)
        self._exit.callback(self._rest.close)
        await self._web.start()

    async def _open_websockets(self, network: Network) -> None:
        knobs: dict[str, Any] = {"frames": self.options.ws_frames, "ping_s": self.options.ws_ping_s}
        await network.open_websocket(self._files.server_context(), port=self.options.sip_wss_port, **knobs)
        if self.options.sip_ws_port is not None:
            await network.open_websocket(None, port=self.options.sip_ws_port, **knobs)

    # where everything is

    @property
    def _files(self) -> CertificateFiles:
        if self._certificates is None:
            raise RuntimeError("the lab is not running: use it inside `async with Lab() as lab`")
        return self._certificates

    @property
    def switch(self) -> Switch:
        """The PBX's call side."""
        if self._switch is None:
            raise RuntimeError("the lab is not running: use it inside `async with Lab() as lab`")
        return self._switch

    @property
    def domain(self) -> str:
        """user_context: SIP domain, realm and registrar at once."""
        return self._tenant.domain

    @property
    def domain_uuid(self) -> str:
        """The tenant's uuid, for the API."""
        return self._tenant.uuid

    @property
    def api_url(self) -> str:
        """The base of the REST API."""
        port = self._web.port if self._web is not None else 0
        return f"{'https' if self.options.api_https else 'http'}://{in_uri(self.options.host)}:{port}"

    @property
    def token_file(self) -> Path:
        """The API token, in a file that only its owner may read."""
        return self._files.ca.with_name("api-token")

    @property
    def ca_file(self) -> Path:
        """The certificate authority to trust."""
        return self._files.ca

    @property
    def sip_udp_port(self) -> int:
        """SIP over UDP."""
        return self.switch.endpoint.network.ports["udp"]

    @property
    def sip_tcp_port(self) -> int:
        """SIP over TCP: the same number as UDP."""
        return self.switch.endpoint.network.ports["tcp"]

    @property
    def sip_tls_port(self) -> int:
        """SIP over TLS."""
        return self.switch.endpoint.network.ports["tls"]

    @property
    def sip_wss_port(self) -> int:
        """SIP over WebSocket, secure; path `/`, subprotocol `sip`."""
        return self.switch.endpoint.network.ports["wss"]

    @property
    def sip_ws_port(self) -> int:
        """The same without TLS. Raises KeyError where the options did not ask for it."""
        return self.switch.endpoint.network.ports["ws"]

    @property
    def wss_url(self) -> str:
        """Where a browser connects."""
        return f"wss://{in_uri(self.options.host)}:{self.sip_wss_port}/"

    @property
    def extensions(self) -> list[Extension]:
        """All extensions, disabled ones included."""
        return list(self._tenant.extensions.values())

    def extension(self, number: str) -> Extension:
        """One extension. Raises NotFound."""
        return self._tenant.get(number)

    def agent_config(
        self, extensions: Sequence[str] | None = None, *, transport: config.Transport = "tls", **account: Any
    ) -> dict[str, Any]:
        """A configuration with which the phone connects to this lab; `account` adds keys to its account."""
        return config.agent_config(self, extensions, transport, account)

    def config_yaml(self, extensions: Sequence[str] | None = None, **account: Any) -> str:
        """The same as text."""
        return config.to_yaml(self.agent_config(extensions, **account))

    # what happened

    async def wait_for(
        self, name: str, *, timeout_s: float = 5.0, count: int = 1, since: int = 0, **wanted: Any
    ) -> LabEvent:
        """Wait for the `count`-th event of that name and data; see events.NAMES. Raises TimeoutError."""
        return await self.events.wait_for(name, timeout_s=timeout_s, count=count, since=since, **wanted)

    def registrations(self, number: str | None = None) -> list[Binding]:
        """Who is registered now: all bindings, or those of one extension."""
        return [
            each
            for each in self.switch.endpoint.registrar.all()
            if each.reachable and number in (None, each.extension.number)
        ]

    @property
    def calls(self) -> list[CallRecord]:
        """All calls, finished ones included, oldest first."""
        return list(self.switch.calls.values())

    # what tests do to it

    def set_password(self, number: str, password: str) -> None:
        """Change a SIP password; the phone's next REGISTER is refused with 403."""
        self._tenant.get(number).password = password

    def add_extension(self, number: str, *, password: str = "") -> Extension:
        """Make a new extension. Raises Conflict."""
        return self._tenant.add(number, password=password)

    def remove_extension(self, number: str) -> None:
        """Delete an extension and its registrations. Raises NotFound."""
        self.switch.endpoint.registrar.remove_all(self._tenant.get(number), "removed")
        del self._tenant.extensions[number]

    def disable(self, number: str, *, enabled: bool = False) -> None:
        """Switch an extension off (or on again). Raises NotFound."""
        extension = self._tenant.get(number)
        extension.enabled = enabled
        if not enabled:
            self.switch.endpoint.registrar.remove_all(extension, "removed")

    def forget_registrations(self) -> None:
        """Lose all registrations, as a restarted PBX does."""
        for extension in self._tenant.extensions.values():
            self.switch.endpoint.registrar.remove_all(extension, "removed")

    def expire_nonces(self) -> None:
        """Make every digest nonce stale."""
        self.switch.endpoint.gatekeeper.authority.expire_nonces()

    def drop_connections(self) -> int:
        """Cut every TCP, TLS and WebSocket connection; returns how many."""
        return self.switch.endpoint.network.drop_connections()

    def silence_connections(self) -> int:
        """Turn today's TCP and TLS connections into black holes; new ones work. Returns how many."""
        return self.switch.endpoint.network.silence_connections()

    def freeze(self) -> None:
        """Answer nothing any more, on any SIP transport, until `thaw`."""
        self.switch.endpoint.network.frozen = True

    def thaw(self) -> None:
        """Answer again."""
        self.switch.endpoint.network.frozen = False

    def call(
        self,
        number: str,
        service: str = "9196",
        *,
        caller: str = "",
        caller_name: str = "",
        headers: sip.HeaderList = (),
        srtp: bool = False,
    ) -> CallRecord:
        """Let the PBX ring an extension and connect it to a service. Raises NotFound, Conflict."""
        return self.switch.originate(
            self._tenant.get(number),
            service,
            caller=caller,
            caller_name=caller_name,
            headers=headers,
            srtp=srtp,
        )

    def api_fault(
        self,
        kind: FaultKind | None,
        *,
        status: int = 500,
        delay_s: float = 30.0,
        times: int | None = None,
    ) -> None:
        """Make the REST API misbehave (see faults.KINDS), `times` times or until `api_fault(None)`."""
        self._rest.fault = ApiFault(kind, status, delay_s, times) if kind is not None else None
