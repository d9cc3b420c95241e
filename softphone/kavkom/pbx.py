"""The PBX API: who the extensions of a domain are.

async with PbxApi.of(config.provider) as pbx:
    listed = await pbx.extensions(search="90")
    listed.extensions, listed.problems
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Literal, Self

import httpx

from softphone.config.model import Provider
from softphone.errors import ProviderDown
from softphone.kavkom.booleans import as_digit
from softphone.kavkom.http import Endpoint, HttpApi, Retry, as_list
from softphone.kavkom.models import Extension, ExtensionList, parse_extension

LIST_PATH = "/api/pbx/v1/extension/list"
LIST_LIMITED_PATH = "/api/pbx/v1/extension/list_limited"
MAX_RECORDS = 100_000
_SHOWN_PROBLEMS = 100

SortColumn = Literal["extension", "effective_caller_id_number", "outbound_caller_id_name", "description"]


class PbxApi:
    """The PBX of one domain. Use as an async context manager, or call `aclose`."""

    def __init__(
        self, endpoint: Endpoint, domain_uuid: str, *, page_size: int = 500, max_records: int = MAX_RECORDS
    ) -> None:
        """`page_size` is 1 to 5000; a list longer than `max_records` is an error, not a memory leak."""
        self._http = HttpApi(endpoint)
        self._domain_uuid = domain_uuid
        self._page_size = page_size
        self._max_records = max_records

    @classmethod
    def of(
        cls, provider: Provider, *, transport: httpx.AsyncBaseTransport | None = None, retry: Retry | None = None
    ) -> PbxApi:
        """The client for the `provider:` part of a configuration."""
        endpoint = Endpoint(
            base_url=provider.api_url,
            token=provider.token,
            timeout_s=provider.timeout_s,
            ca_file=provider.ca_file,
            retry=retry or Retry(),
            transport=transport,
        )
        return cls(endpoint, provider.domain_uuid, page_size=provider.page_size)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def extensions(
        self,
        *,
        search: str = "",
        sort: SortColumn = "extension",
        descending: bool = False,
        with_user: bool | None = None,
    ) -> ExtensionList:
        """All extensions that `search` finds, page by page. Raises ProviderDown or ProviderRefused.

        Records that make no sense are left out and named in `problems`. With `with_user` the linked user stands
        in each extension's `extra`, if the PBX sends one.
        """
        params = {"sort[0]": sort, "sort[1]": "DESC" if descending else "ASC"}
        if search:
            params["filter[search_query]"] = search
        if with_user is not None:
            params["with_user"] = as_digit(with_user)
        return await self._pages(LIST_PATH, params)

    async def extensions_limited(self) -> ExtensionList:
        """The lightweight list. What it leaves out is not documented: see Extension."""
        return await self._pages(LIST_LIMITED_PATH, {}, limited=True)

    async def _pages(self, path: str, params: Mapping[str, str], *, limited: bool = False) -> ExtensionList:
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
                raise ProviderDown(
                    f"{where} lists more than {self._max_records} extensions and shows no end after {page} pages;"
                    " narrow it with `select: {search: ...}`"
                )


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
