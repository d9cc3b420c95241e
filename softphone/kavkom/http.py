"""One HTTP connection pool to the service: headers, deadlines, size limits, retries, and errors in words."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from softphone import __version__
from softphone.config.model import is_loopback
from softphone.config.secrets import HIDDEN, Secret
from softphone.errors import ConfigError, ProviderDown
from softphone.kavkom.envelope import Answer, Payload, read
from softphone.kavkom.failures import explain

MAX_BODY_BYTES = 64 * 1024 * 1024
# No answer at all, or a failure that tends to pass; nonsense under HTTP 200 would only be sent again
_WORTH_REPEATING = frozenset((None, 500, 502, 503, 504))


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
    """Where a service is and how it is reached. `transport` replaces the network in tests."""

    base_url: str
    token: Secret
    timeout_s: float = 10.0
    ca_file: Path | None = None
    max_body_bytes: int = MAX_BODY_BYTES
    retry: Retry = field(default_factory=Retry)
    transport: httpx.AsyncBaseTransport | None = None


class HttpApi:
    """Speaks to one base address. Use as an async context manager, or call `aclose`.

    No exception but ProviderError leaves `get` (ConfigError leaves the constructor); none holds the token or
    a body. Cancelling is safe at any time.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        address = urlsplit(endpoint.base_url)
        self._host = address.hostname or ""
        self._base = address.netloc.rpartition("@")[2] + address.path.rstrip("/")
        token = endpoint.token.reveal()
        if not token.isascii() or not token.isprintable() or token != token.strip():
            text = (
                "holds characters that an API token never has (spaces at its ends, accents, line breaks); copy it anew"
            )
            raise ConfigError(text, key="provider.token")
        self._client = httpx.AsyncClient(
            base_url=endpoint.base_url,
            headers={
                "X-API-TOKEN": token,
                "Accept": "application/json",
                "Content-Type": "application/json",
                "User-Agent": f"softphone/{__version__}",
            },
            timeout=None,  # one deadline for the whole exchange instead: see _exchange
            transport=endpoint.transport,
            verify=_trust(endpoint),
            # A proxy from the environment is for the outside world
            trust_env=not is_loopback(self._host),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    def where(self, path: str) -> str:
        """Host and path, as errors name them."""
        return self._base + path

    async def get(self, path: str, params: Mapping[str, str]) -> Payload:
        """A safe request: repeated when no answer or a 5xx came. Raises ProviderDown or ProviderRefused."""
        retry = self._endpoint.retry
        for attempt in range(1, retry.attempts):
            try:
                return read(await self._exchange("GET", path, params))
            except ProviderDown as error:
                if error.status not in _WORTH_REPEATING:
                    raise
                await asyncio.sleep(retry.pause_s(attempt))
        return read(await self._exchange("GET", path, params))

    async def _exchange(self, method: str, path: str, params: Mapping[str, str]) -> Answer:
        where = self.where(path)
        try:
            async with asyncio.timeout(self._endpoint.timeout_s):
                return await self._stream(method, path, params, where)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError, OSError) as error:
            cause = explain(error, self._host, self._endpoint.timeout_s)
        # Raised outside: the original holds the request, and with it the token
        raise ProviderDown(self._hide(f"no answer from {where}: {cause}"))

    async def _stream(self, method: str, path: str, params: Mapping[str, str], where: str) -> Answer:
        async with self._client.stream(method, path, params=dict(params)) as response:
            return Answer(
                status=response.status_code,
                body=await self._body(response, where),
                where=where,
                content_type=response.headers.get("content-type", ""),
                location=response.headers.get("location", ""),
                hide=self._hide,
            )

    async def _body(self, response: httpx.Response, where: str) -> bytes:
        limit = self._endpoint.max_body_bytes
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > limit:
                text = f"{where} sends more than {limit // 1024} KiB in one answer"
                raise ProviderDown(text, status=response.status_code)
        return bytes(body)

    def _hide(self, text: str) -> str:
        """A server may echo what it got; the token goes out of every text."""
        return text.replace(self._endpoint.token.reveal(), HIDDEN)


def _trust(endpoint: Endpoint) -> ssl.SSLContext:
    """The system's authorities, or only those of `ca_file`; httpx's own default would be a bundled list."""
    try:
        return ssl.create_default_context(cafile=endpoint.ca_file)
    except (OSError, ssl.SSLError):
        text = f"{endpoint.ca_file} holds no certificates in PEM form"
    raise ConfigError(text, key="provider.ca_file")


def as_list(payload: Payload, where: str) -> list[Any]:
    """The list in `data`. Raises ProviderDown where it is something else."""
    if isinstance(payload.data, list):
        return payload.data
    said = f" ({payload.message})" if payload.message else ""
    raise ProviderDown(f"{where} answered without a list in `data`{said}")
