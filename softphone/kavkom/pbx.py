"""The PBX API: who the extensions of a domain are; calls, started and hung up.

async with PbxApi.of(config.provider) as pbx:
    listed = await pbx.extensions(search="90")
    listed.extensions, listed.problems
    started = await pbx.call("901", "33612345678", auto_answer=True)
    await pbx.kill(started.call_uuid)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import httpx

from softphone.config.provider import Provider
from softphone.errors import OutcomeUnknown, ProviderDown, SwitchRefused, UsageError
from softphone.kavkom.booleans import as_digit, as_word
from softphone.kavkom.http import Endpoint, Retry, ServiceClient, as_list
from softphone.kavkom.models import Extension, ExtensionList, parse_extension
from softphone.kavkom.services import PBX
from softphone.kavkom.started import Killed, StartedCall, read_killed, read_started

LIST_PATH = "/api/pbx/v1/extension/list"
LIST_LIMITED_PATH = "/api/pbx/v1/extension/list_limited"
CALL_PATH = "/api/pbx/v1/active_call/call"
KILL_PATH = "/api/pbx/v1/active_call/kill"
MAX_LIMIT = 5000
MAX_RECORDS = 100_000
_SHOWN_PROBLEMS = 100

SortColumn = Literal["extension", "effective_caller_id_number", "outbound_caller_id_name", "description"]


@dataclass(frozen=True)
class Progress:
    """How far a listing has come: pages read, and records in them."""

    pages: int
    records: int


class PbxApi(ServiceClient):
    """The PBX of one domain. Use as an async context manager, or call `aclose`."""

    def __init__(
        self, endpoint: Endpoint, domain_uuid: str, *, page_size: int = MAX_LIMIT, max_records: int = MAX_RECORDS
    ) -> None:
        """`page_size` is 1 to 5000; a list longer than `max_records` is an error, not a memory leak."""
        super().__init__(endpoint)
        self._domain_uuid = domain_uuid
        self._page_size = page_size
        self._max_records = max_records

    @classmethod
    def of(
        cls, provider: Provider, *, transport: httpx.AsyncBaseTransport | None = None, retry: Retry | None = None
    ) -> PbxApi:
        """The client for the `provider:` part of a configuration."""
        endpoint = Endpoint.of(provider, provider.api_url, transport, retry)
        return cls(endpoint, provider.domain_uuid, page_size=provider.page_size)

    async def extensions(
        self,
        *,
        search: str = "",
        sort: SortColumn = "extension",
        descending: bool = False,
        with_user: bool | None = None,
        on_page: Callable[[Progress], None] | None = None,
    ) -> ExtensionList:
        """All extensions that `search` finds, page by page. Raises ProviderDown or ProviderRefused.

        Records that make no sense are left out and named in `problems`. With `with_user` the linked user stands
        in each extension's `extra`, if the PBX sends one. `on_page` hears of each page but the last.
        """
        return await self._pages(LIST_PATH, _query(search, sort, descending, with_user), on_page=on_page)

    async def extensions_page(
        self,
        page: int = 1,
        *,
        limit: int | None = None,
        search: str = "",
        sort: SortColumn | None = None,
        descending: bool = False,
        with_user: bool | None = None,
    ) -> ExtensionList:
        """One page as the PBX cuts it; `limit` None leaves its size to the PBX (15). Raises as `extensions` does.

        `limit` is 1 to 5000, pages count from 1; anything else is a UsageError.
        """
        if page < 1 or (limit is not None and not 1 <= limit <= MAX_LIMIT):
            raise UsageError(f"pages count from 1, and a page has 1 to {MAX_LIMIT} extensions")
        query = {"domain_uuid": self._domain_uuid, "page": str(page), **_query(search, sort, descending, with_user)}
        if limit is not None:
            query["limit"] = str(limit)
        found = _Collected(limited=False)
        found.add(as_list(await self._http.get(LIST_PATH, query), self._http.where(LIST_PATH)))
        return found.result(1)

    async def extensions_limited(self, *, on_page: Callable[[Progress], None] | None = None) -> ExtensionList:
        """The lightweight list. What it leaves out is not documented: see Extension."""
        return await self._pages(LIST_LIMITED_PATH, {}, limited=True, on_page=on_page)

    async def call(
        self,
        src: str,
        destination: str,
        *,
        auto_answer: bool | None = None,
        ignore_early: bool | str | None = None,
        src_cid_number: str = "",
    ) -> StartedCall:
        """Click-to-call: the PBX calls the extension `src`, then connects it with `destination`, and records the call.

        destination: an extension, a number or a SIP URI. auto_answer: the phone of `src` answers by itself.
        ignore_early: what the PBX calls so (hang up after bridging, and ignore early media); a text goes as it is.
        src_cid_number: the number that `src` sees.

        Sent at most once. Raises SourceRefused (no such extension), SwitchRefused (`-ERR ...`), other ProviderRefused,
        ProviderDown when no call was started, OutcomeUnknown when that cannot be told.
        """
        for name, value in (("source extension", src), ("destination", destination)):
            if not value.strip() or not value.isprintable():
                raise UsageError(f"a call needs a {name} without control characters")
        body: dict[str, object] = {"domain_uuid": self._domain_uuid, "src": src, "destination": destination}
        if auto_answer is not None:
            body["auto_answer"] = as_word(auto_answer)
        if ignore_early is not None:
            body["ignore_early"] = ignore_early if isinstance(ignore_early, str) else as_word(ignore_early)
        if src_cid_number:
            body["src_cid_number"] = src_cid_number
        return read_started(await self._http.post_once(CALL_PATH, body), self._http.where(CALL_PATH))

    async def kill(self, call_uuid: str) -> Killed:
        """Hangs up a call that `call` started. Raises SwitchRefused where the switch does not know it.

        Where no clear answer comes it is sent once more: a call can be hung up only once, so that does no harm.
        """
        if not call_uuid.strip() or not call_uuid.isprintable():
            raise UsageError("the call to hang up is named by the call_uuid that starting it returned")
        body = {"domain_uuid": self._domain_uuid, "call_uuid": call_uuid}
        try:
            return read_killed(await self._http.post_once(KILL_PATH, body), call_uuid)
        except (OutcomeUnknown, ProviderDown):
            await asyncio.sleep(self._http.pause_s())
        try:
            return read_killed(await self._http.post(KILL_PATH, body), call_uuid)
        except SwitchRefused as error:
            if "no such" not in error.reply.lower():
                raise
            return Killed(call_uuid=call_uuid, message=error.reply)  # the first request had done it

    async def _pages(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        limited: bool = False,
        on_page: Callable[[Progress], None] | None = None,
    ) -> ExtensionList:
        """The service names no total: a page shorter than asked for is the last one, as is one without news."""
        found = _Collected(limited)
        where = self._http.where(path)
        page = 0
        while True:
            page += 1
            query = {"domain_uuid": self._domain_uuid, "limit": str(self._page_size), "page": str(page), **params}
            records = as_list(await self._http.get(path, query), where)
            news = found.add(records)
            if len(records) < self._page_size:
                return found.result(page)
            if not news:
                return found.result(page, f"page {page} only repeats earlier records; the list may be incomplete")
            if found.records >= self._max_records:
                text = (
                    f"{where} lists more than {self._max_records} extensions and shows no end after {page} pages;"
                    " narrow it with `select: {search: ...}`"
                )
                raise ProviderDown(text, service=PBX.name)
            if on_page is not None:
                on_page(Progress(page, found.records))


def _query(search: str, sort: SortColumn | None, descending: bool, with_user: bool | None) -> dict[str, str]:
    query: dict[str, str] = {}
    if sort is not None or descending:
        query |= {"sort[0]": sort or "extension", "sort[1]": "DESC" if descending else "ASC"}
    if search:
        query["filter[search_query]"] = search
    if with_user is not None:
        query["with_user"] = as_digit(with_user)
    return query


class _Collected:
    """Gathers pages: the first record of each extension counts, records without sense are named once."""

    def __init__(self, limited: bool) -> None:
        self.records = 0
        self._limited = limited
        self._extensions: dict[str, Extension] = {}
        self._problems: list[str] = []
        self._unreadable: set[str] = set()
        self._left_out = 0

    def add(self, records: list[object]) -> bool:
        """Takes one page; returns whether anything in it was new."""
        before = len(self._extensions) + self._left_out
        for record in records:
            self.records += 1
            try:
                extension = parse_extension(record, limited=self._limited)
            except ValueError as error:
                self._leave_out(_name(record), str(error))
            else:
                self._extensions.setdefault(extension.extension_uuid or extension.id, extension)
        return len(self._extensions) + self._left_out > before

    def _leave_out(self, extension: str, error: str) -> None:
        self._left_out += 1
        if extension:
            self._unreadable.add(extension)
        if self._left_out <= _SHOWN_PROBLEMS:
            named = f" (extension {extension})" if extension else ""
            self._problems.append(f"record {self.records}{named}: {error}")

    def result(self, pages: int, remark: str = "") -> ExtensionList:
        more = self._left_out - len(self._problems)
        problems = [*self._problems, f"and {more} more records" if more else "", remark]
        problems = [problem for problem in problems if problem]
        return ExtensionList(
            tuple(self._extensions.values()),
            tuple(problems),
            complete=not remark,
            unreadable=frozenset(self._unreadable),
            pages=pages,
        )


def _name(record: object) -> str:
    """Helps to find the record: its extension, if that at least is fit to be shown."""
    value = record.get("extension") if isinstance(record, dict) else None
    fit = isinstance(value, int | str) and str(value).isalnum() and len(str(value)) <= 64
    return str(value) if fit else ""
