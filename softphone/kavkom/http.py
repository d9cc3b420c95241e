"""One HTTP connection pool to a part of the service: headers, deadlines, size limits, retries, and errors in words."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import httpx

from softphone import __version__
from softphone.config.provider import Provider, is_loopback
from softphone.config.secrets import Secret
from softphone.errors import ConfigError, OutcomeUnknown, ProviderDown
from softphone.kavkom.envelope import Answer, Payload, read
from softphone.kavkom.failures import explain
from softphone.kavkom.hiding import Hider
from softphone.kavkom.services import PBX, Service

MAX_BODY_BYTES = 64 * 1024 * 1024
# No answer at all, or a failure that tends to pass; nonsense under HTTP 200 would only be sent again
_WORTH_REPEATING = frozenset((None, 500, 502, 503, 504))
# These say that the request was turned away at the door
_NOT_TAKEN = frozenset((425, 429))


@dataclass(frozen=True)
class Retry:
    """How often a safe request is tried, and how long between. Only what may be repeated is ever repeated."""

    attempts: int = 3
    first_s: float = 0.3
    factor: float = 4.0

    def pause_s(self, attempt: int) -> float:
        """The wait after the failed try number `attempt` (from 1), with jitter so that a fleet spreads out."""
        return self.first_s * self.factor ** (attempt - 1) * random.uniform(0.5, 1.5)


@dataclass(frozen=True)
class Endpoint:
    """Where a part of the service is and how it is reached. `transport` replaces the network in tests.

    scheme: how the token travels: in X-API-TOKEN, or as `Authorization: Bearer`.
    keep_alive: False: every request has a connection of its own, which nobody can have closed meanwhile.
    """

    base_url: str
    token: Secret
    timeout_s: float = 10.0
    ca_file: Path | None = None
    max_body_bytes: int = MAX_BODY_BYTES
    retry: Retry = field(default_factory=Retry)
    transport: httpx.AsyncBaseTransport | None = None
    scheme: Literal["api-token", "bearer"] = "api-token"
    keep_alive: bool = True
    service: Service = PBX

    @classmethod
    def of(
        cls, provider: Provider, base_url: str, transport: httpx.AsyncBaseTransport | None, retry: Retry | None
    ) -> Endpoint:
        """What all parts of the service of a configuration have in common. `retry` None: the usual one."""
        return cls(
            base_url=base_url,
            token=provider.token,
            timeout_s=provider.timeout_s,
            ca_file=provider.ca_file,
            retry=retry or Retry(),
            transport=transport,
        )

    def headers(self) -> dict[str, str]:
        """What every request carries. Raises ConfigError where the token cannot stand in a header."""
        token = self.token.reveal()
        if not token.isascii() or not token.isprintable() or token != token.strip():
            text = "holds characters that a token never has (spaces at its ends, accents, line breaks); copy it anew"
            raise ConfigError(text, key="provider.token" if self.scheme == "api-token" else self.token.source)
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": f"softphone/{__version__}",
        }
        if self.scheme == "bearer":
            headers["Authorization"] = f"Bearer {token}"
        else:
            headers["X-API-TOKEN"] = token
        if not self.keep_alive:
            headers["Connection"] = "close"
        return headers


class Closing(ABC):
    """Something with connections: an async context manager that closes them, for `async with`."""

    @abstractmethod
    async def aclose(self) -> None:
        """Closes the connections."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class HttpApi(Closing):
    """Speaks to one base address. Use as an async context manager, or call `aclose`.

    No exception but ProviderError leaves `get`, `post` and `post_once` (ConfigError leaves the constructor); none holds
    a token or a body. Cancelling is safe at any time for what may be repeated; it leaves the outcome of `post_once`
    unknown.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        address = urlsplit(endpoint.base_url)
        self._host = address.hostname or ""
        self._base = address.netloc.rpartition("@")[2] + address.path.rstrip("/")
        self._client = httpx.AsyncClient(
            base_url=endpoint.base_url,
            headers=endpoint.headers(),
            timeout=None,  # one deadline for the whole exchange instead: see _exchange
            transport=endpoint.transport,
            verify=trust(endpoint.ca_file),
            follow_redirects=False,  # a redirected order would be a second order
            limits=httpx.Limits() if endpoint.keep_alive else httpx.Limits(max_keepalive_connections=0),
            # A proxy from the environment is for the outside world
            trust_env=not is_loopback(self._host),
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    def where(self, path: str) -> str:
        """Host and path, as errors name them."""
        return self._base + path

    def pause_s(self) -> float:
        """The wait before something is tried once more."""
        return self._endpoint.retry.pause_s(1)

    async def get(self, path: str, params: Mapping[str, str]) -> Payload:
        """A safe request: repeated when no answer or a 5xx came. Raises ProviderDown or ProviderRefused."""
        return await self._repeatedly(lambda: self._exchange(_Request("GET", path, dict(params))))

    async def post(self, path: str, body: Mapping[str, object], *, secrets: tuple[Secret, ...] = ()) -> Payload:
        """A request that does no harm when it is done twice: repeated like `get`.

        secrets: what the body holds that must not be seen, should the service send it back.
        """
        return await self._repeatedly(lambda: self._exchange(_Request("POST", path, body=body, secrets=secrets)))

    async def post_once(self, path: str, body: Mapping[str, object]) -> Payload:
        """A request that is sent at most once, whatever breaks.

        Raises OutcomeUnknown when it was sent, wholly or in part, and no clear answer came; ProviderDown when it was
        certainly not taken: nothing was sent, or the service turned it away; ProviderRefused when it was refused.
        """
        request = _Request("POST", path, body=body)
        try:
            return read(await self._exchange(request))
        except ProviderDown as error:
            if not request.sent or error.status in _NOT_TAKEN:
                raise
            cause, status = str(error), error.status
        text = f"{cause}; the request was sent, so it may have been done all the same"
        raise OutcomeUnknown(text, status=status, service=self._endpoint.service.name)

    async def _repeatedly(self, exchange: Callable[[], Awaitable[Answer]]) -> Payload:
        retry = self._endpoint.retry
        for attempt in range(1, retry.attempts):
            try:
                return read(await exchange())
            except ProviderDown as error:
                if error.status not in _WORTH_REPEATING:
                    raise
                await asyncio.sleep(retry.pause_s(attempt))
        return read(await exchange())

    async def _exchange(self, request: _Request) -> Answer:
        where = self.where(request.path)
        hide = Hider((self._endpoint.token, *request.secrets))
        try:
            async with asyncio.timeout(self._endpoint.timeout_s):
                return await self._stream(request, where, hide)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError, OSError) as error:
            request.failed(error)
            cause = explain(error, self._host, self._endpoint.timeout_s, self._endpoint.service.url_key)
        # Raised outside: the original holds the request, and with it the token
        raise ProviderDown(hide(f"no answer from {where}: {cause}"), service=self._endpoint.service.name)

    async def _stream(self, request: _Request, where: str, hide: Hider) -> Answer:
        content = None if request.body is None else json.dumps(request.body).encode()
        async with self._client.stream(
            request.method,
            request.path,
            params=request.params,
            content=content,
            extensions={"trace": request.trace},
        ) as response:
            return Answer(
                status=response.status_code,
                body=await self._body(response, where),
                where=where,
                content_type=response.headers.get("content-type", ""),
                location=response.headers.get("location", ""),
                date=response.headers.get("date", ""),
                hide=hide,
                service=self._endpoint.service,
            )

    async def _body(self, response: httpx.Response, where: str) -> bytes:
        limit = self._endpoint.max_body_bytes
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > limit:
                text = f"{where} sends more than {limit // 1024} KiB in one answer"
                raise ProviderDown(text, status=response.status_code, service=self._endpoint.service.name)
        return bytes(body)


@dataclass
class _Request:
    """One request on its way. `sent` says whether a byte of it may have left; in doubt it has."""

    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Mapping[str, object] | None = None
    secrets: tuple[Secret, ...] = ()
    sent: bool = True
    _writing: bool = False

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        """Hears from the transport how far the request has come."""
        if event.endswith(".send_request_headers.started"):
            self.sent = self._writing = True
        elif event.startswith("connection.") and not self._writing:
            self.sent = False

    def failed(self, error: Exception) -> None:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL) and not self._writing:
            self.sent = False


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities, or only those of `ca_file`; httpx's own default would be a bundled list."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        text = f"{ca_file} holds no certificates in PEM form"
    raise ConfigError(text, key="provider.ca_file")


def as_list(payload: Payload, where: str) -> list[Any]:
    """The list in `data`. Raises ProviderDown where it is something else."""
    if isinstance(payload.data, list):
        return payload.data
    said = f" ({payload.message})" if payload.message else ""
    raise ProviderDown(f"{where} answered without a list in `data`{said}", service=PBX.name)


class ServiceClient(Closing):
    """What the clients of the service's parts have in common: they speak HTTP to one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._http = HttpApi(endpoint)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()
