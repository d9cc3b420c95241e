"""`GET /v1/sip-credentials`: what a SIP.js page needs to be a phone, for the page's own backend.

It gives a password away, so it is off by default, lives on a listener of its own, wants a token, answers only for the
extensions that the configuration names, and counts who asks. Nothing of it is ever in a log, an event or a view.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from hmac import compare_digest
from urllib.parse import parse_qs

from softphone.config.resolved import ResolvedAccount
from softphone.config.webhook import SipCredentials
from softphone.errors import UsageError
from softphone.webhook.buckets import Buckets
from softphone.webhook.http import HttpDoor, HttpLimits, Reply, Request

log = logging.getLogger(__name__)

PATH = "/v1/sip-credentials"
_NEVER_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"}


class CredentialsDoor:
    """`find(name)`: the account of this username or id; raises UsageError. From `start` to `stop`."""

    name = "sip_credentials"

    def __init__(self, config: SipCredentials, find: Callable[[str], ResolvedAccount]) -> None:
        self._config, self._find = config, find
        self._door = HttpDoor(config, self._answer, key="sip_credentials", limits=HttpLimits(max_body_bytes=1024))
        self._rate = Buckets(config.requests_per_min / 60, config.requests_per_min)

    async def start(self) -> None:
        """Raises ConfigError where it cannot listen."""
        await self._door.start()

    async def stop(self) -> None:
        await self._door.stop()

    @property
    def port(self) -> int:
        return self._door.port

    @property
    def url(self) -> str:
        return self._door.url(PATH)

    async def _answer(self, request: Request) -> Reply:
        """Everything is limited alike, so that nobody learns by guessing."""
        cors = self._cors(request.headers.get("origin", ""))
        reply = self._reply(request, cors is None)
        return Reply(reply.status, reply.body, {**reply.headers, **_NEVER_KEPT, **(cors or {})})

    def _cors(self, origin: str) -> dict[str, str] | None:
        """Headers for the browser; None for a page that may not ask."""
        if not origin:
            return {"Vary": "Origin"}
        if origin.lower() not in self._config.origins:
            return None
        return {"Vary": "Origin", "Access-Control-Allow-Origin": origin}

    def _reply(self, request: Request, foreign: bool) -> Reply:
        if (pause_s := self._rate.take(request.client)) > 0:
            return Reply.problem(429, "too many requests", Retry_After=f"{pause_s:.0f}")
        if request.path != PATH:
            return Reply.problem(404, "there is nothing here")
        if foreign:
            return Reply.problem(403, "pages of this origin may not ask (sip_credentials.origins)")
        if request.method == "OPTIONS":
            allowed = {"Access-Control-Allow-Methods": "GET", "Access-Control-Allow-Headers": "Authorization"}
            return Reply(204, None, {**allowed, "Access-Control-Max-Age": "600"})
        if request.method != "GET":
            return Reply.problem(405, "credentials are asked for by GET", Allow="GET, OPTIONS")
        if not self._knows(request.headers.get("authorization", "")):
            return Reply.problem(401, "show the token: Authorization: Bearer ...", WWW_Authenticate="Bearer")
        return self._credentials(request)

    def _knows(self, shown: str) -> bool:
        """Takes as long for every wrong one."""
        scheme, _, token = shown.partition(" ")
        right = compare_digest(token.strip().encode("latin-1"), self._config.token.reveal().encode())
        return right and scheme.lower() == "bearer"

    def _credentials(self, request: Request) -> Reply:
        try:
            asked = parse_qs(request.query, max_num_fields=20)
        except ValueError:
            return Reply.problem(400, "the query makes no sense")
        wanted = asked.get("extension", [self._config.extensions[0]])[-1]
        if wanted not in self._config.extensions:
            return Reply.problem(404, "no credentials are given away for this extension (sip_credentials.extensions)")
        try:
            account = self._find(wanted)
        except UsageError:
            return Reply.problem(404, "this phone has no such account now")
        log.info("the credentials of %s were given to %s", account.id, request.client)
        password = account.password.reveal()
        return Reply(200, {"extension": account.username, "password": password, "user_context": account.domain})
