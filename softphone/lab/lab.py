"""The lab itself: everything started together, stopped together, and the handles that tests pull."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from starlette.routing import BaseRoute

from softphone.lab import agent_config as config
from softphone.lab.addresses import in_uri
from softphone.lab.api.app import Service
from softphone.lab.api.control import ControlApi
from softphone.lab.api.page import page_routes
from softphone.lab.calls import CallRecord
from softphone.lab.certificates import CertificateFiles, write_private
from softphone.lab.directory import Directory, Extension, Tenant, make_tenant
from softphone.lab.events import EventLog, LabEvent
from softphone.lab.faults import Fault, FaultKind, FaultPlan, Part
from softphone.lab.options import LabOptions
from softphone.lab.orders import DidOrder
from softphone.lab.service_options import TenantOptions
from softphone.lab.sip import message as sip
from softphone.lab.sip.registrar import Binding
from softphone.lab.sip.transport import Network
from softphone.lab.switch import Switch
from softphone.lab.tls import TlsKeeper
from softphone.lab.webserver import WebServer

Secret = Literal["api-token", "refresh-token", "user-uuid"]


class Lab:
    """The emulated PBX. `async with Lab(options) as lab:`; its ports are known inside the block."""

    def __init__(self, options: LabOptions | None = None) -> None:
        self.options = options or LabOptions()
        self.events = EventLog()
        self.start_s = 0.0  # how long the start took
        first, *others = self.options.all_tenants
        self._tenant = make_tenant(first)
        self.directory = Directory(self._tenant)
        for each in others:
            self.directory.add(make_tenant(each))
        self.faults = FaultPlan(self.options.service.seed)
        self.service = Service(self.options.service, self.directory, self.events, self.faults, lambda: self.switch)
        self._control = ControlApi(self)
        self._exit = contextlib.AsyncExitStack()
        self._state_dir: Path | None = None
        self._switch: Switch | None = None
        self._web: WebServer | None = None
        self._tls: TlsKeeper | None = None

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
        domains = [tenant.domain for tenant in self.directory]
        self._tls = TlsKeeper(folder, [*domains, "localhost", "127.0.0.1", self.options.host], self.faults)
        for tenant in self.directory:
            self._write_secrets(tenant)

    def _write_secrets(self, tenant: Tenant) -> None:
        secrets: dict[Secret, str] = {
            "api-token": tenant.api_token,
            "refresh-token": tenant.refresh_token,
            "user-uuid": tenant.user_uuid,
        }
        for what, text in secrets.items():
            write_private(self.secret_file(tenant, what), text.encode() + b"\n")

    async def _open(self) -> None:
        self._switch = Switch(self.options, self.directory, self.events)
        self._switch.endpoint.gatekeeper.faults = self.faults
        self._exit.push_async_callback(self._switch.endpoint.close)
        await self._switch.endpoint.network.open(
            self.tls.server_context(), port=self.options.sip_port, tls_port=self.options.sip_tls_port
        )
        await self._open_websockets(self._switch.endpoint.network)
        tls = self.tls if self.options.api_https else None
        self._web = WebServer(self.service.application(self.routes()), self.options.host, self.options.api_port, tls)
        self.service.connect(self._web.cut)
        self._exit.push_async_callback(self._web.stop)
        self._exit.push_async_callback(self.service.close)
        self._exit.callback(self.service.release)
        self._exit.callback(self._control.streams.close)
        await self._web.start()

    def routes(self) -> list[BaseRoute]:
        """Everything that is served on the API's port."""
        return [*self.service.routes, *self._control.routes(), *page_routes()]

    async def _open_websockets(self, network: Network) -> None:
        knobs: dict[str, Any] = {"frames": self.options.ws_frames, "ping_s": self.options.ws_ping_s}
        await network.open_websocket(self.tls.server_context(), port=self.options.sip_wss_port, **knobs)
        if self.options.sip_ws_port is not None:
            await network.open_websocket(None, port=self.options.sip_ws_port, **knobs)

    # where everything is

    @property
    def tls(self) -> TlsKeeper:
        """The lab's certificates."""
        if self._tls is None:
            raise RuntimeError("the lab is not running: use it inside `async with Lab() as lab`")
        return self._tls

    @property
    def _files(self) -> CertificateFiles:
        return self.tls.files

    @property
    def switch(self) -> Switch:
        """The PBX's call side."""
        if self._switch is None:
            raise RuntimeError("the lab is not running: use it inside `async with Lab() as lab`")
        return self._switch

    @property
    def tenant(self) -> Tenant:
        """The first tenant: the one that the short handles of the lab mean."""
        return self._tenant

    @property
    def api_token(self) -> str:
        """The first tenant's API token."""
        return self._tenant.api_token

    @property
    def refresh_token(self) -> str:
        """The first tenant's refresh token, for access to live events."""
        return self._tenant.refresh_token

    @property
    def user_uuid(self) -> str:
        """The first tenant's administrator."""
        return self._tenant.user_uuid

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
    def live_url(self) -> str:
        """The base of the WebSocket: /calls is below it."""
        return self.api_url.replace("http", "ws", 1)

    @property
    def token_file(self) -> Path:
        """The API token, in a file that only its owner may read."""
        return self.secret_file(self._tenant, "api-token")

    def secret_file(self, tenant: Tenant, what: Secret) -> Path:
        """A secret of any tenant, in a file that only its owner may read."""
        suffix = "" if tenant is self._tenant else f"-{tenant.domain}"
        return self._files.ca.with_name(f"{what}{suffix}")

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
        self,
        extensions: Sequence[str] | None = None,
        *,
        tenant: Tenant | None = None,
        transport: config.Transport = "tls",
        live: bool = False,
        **account: Any,
    ) -> dict[str, Any]:
        """A configuration with which the phone connects to this lab.

        `live`: it follows the live events too; `account` adds keys to its account.
        """
        return config.agent_config(self, tenant or self._tenant, extensions, transport, account, live=live)

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

    def add_tenant(self, options: TenantOptions) -> Tenant:
        """Serve one more customer. Raises Conflict where the domain exists."""
        tenant = make_tenant(options)
        self.directory.add(tenant)
        self.service.tokens.restore_refresh(tenant.refresh_token)
        self._write_secrets(tenant)
        self.tls.add_name(tenant.domain)
        return tenant

    def remove_tenant(self, domain: str) -> None:
        """Serve a customer no more. Raises NotFound, Conflict for the first."""
        tenant = self.directory.tenant(domain)
        self.directory.remove(tenant)
        self.service.tokens.revoke_refresh(tenant.refresh_token)
        for extension in tenant.extensions.values():
            self.switch.endpoint.registrar.remove_all(extension, "removed")

    def accept_did(self, order_id: int) -> DidOrder:
        """Accept a number's order by hand: it is allocated and routed. Raises NotFound."""
        order = self.service.orders.did(order_id)
        self.service.orders.accept(self.directory.tenant(order.domain), order)
        return order

    def expire_tokens(self) -> int:
        """Let every access token expire now; returns how many did."""
        return self.service.tokens.expire_all()

    def drop_live(self) -> int:
        """Cut every live WebSocket; returns how many."""
        return self.service.live.drop_all()

    def set_password(self, number: str, password: str) -> None:
        """Change a SIP password; the phone's next REGISTER is refused with 403."""
        self._tenant.get(number).password = password

    def add_extension(self, number: str, *, password: str = "") -> Extension:
        """Make a new extension. Raises Conflict."""
        return self._tenant.add(number, password=password)

    def remove_extension(self, number: str) -> None:
        """Delete an extension and its registrations. Raises NotFound."""
        self.delete_extension(self._tenant.get(number))

    def delete_extension(self, extension: Extension) -> None:
        """The same for an extension of any tenant."""
        self.switch.endpoint.registrar.remove_all(extension, "removed")
        del self.directory.tenant(extension.domain).extensions[extension.number]

    def disable(self, number: str, *, enabled: bool = False) -> None:
        """Switch an extension off (or on again). Raises NotFound."""
        self.switch_extension(self._tenant.get(number), enabled=enabled)

    def switch_extension(self, extension: Extension, *, enabled: bool) -> None:
        """The same for an extension of any tenant."""
        extension.enabled = enabled
        if not enabled:
            self.switch.endpoint.registrar.remove_all(extension, "removed")

    def forget_registrations(self) -> None:
        """Lose all registrations, as a restarted PBX does."""
        for extension in [each for tenant in self.directory for each in tenant.extensions.values()]:
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

    def fault(
        self,
        part: Part,
        kind: str,
        *,
        status: int = 500,
        delay_s: float = 30.0,
        times: int | None = None,
        probability: float = 1.0,
        path: str = "",
    ) -> Fault:
        """Let a part of the lab misbehave, see faults.KINDS_OF. Raises UsageError for what it cannot."""
        return self.faults.add(
            part, kind, status=status, delay_s=delay_s, times=times, probability=probability, path=path
        )

    def api_fault(
        self,
        kind: FaultKind | None,
        *,
        status: int = 500,
        delay_s: float = 30.0,
        times: int | None = None,
    ) -> None:
        """Make the PBX API misbehave (see faults.KINDS), `times` times or until `api_fault(None)`."""
        self.faults.clear("pbx")
        if kind is not None:
            self.faults.add("pbx", kind, status=status, delay_s=delay_s, times=times)
