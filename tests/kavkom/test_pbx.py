"""The extension list: what is asked, how pages are joined, and where it ends."""

import asyncio
from typing import Any

import httpx
import pytest

from softphone.config import Config, Secret
from softphone.errors import ConfigError, ProviderDown, ProviderRefused
from softphone.kavkom import Endpoint, ExtensionList, PbxApi, Retry
from softphone.kavkom.http import HttpApi
from tests.kavkom.answers import DOMAIN_UUID, TOKEN, Handler, listing, page, pbx, record, reply


def listed(
    handler: Handler, *, limited: bool = False, query: dict[str, Any] | None = None, **options: Any
) -> ExtensionList:
    async def run() -> ExtensionList:
        async with pbx(handler, **options) as api:
            return await api.extensions_limited() if limited else await api.extensions(**(query or {}))

    return asyncio.run(run())


class Recorder:
    """A PBX that notes what it was asked."""

    def __init__(self, handler: Handler) -> None:
        self.requests: list[httpx.Request] = []
        self._handler = handler

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._handler(request)


def test_the_request_as_documented() -> None:
    seen = Recorder(listing([record()]))
    result = listed(seen, query={"search": "90", "sort": "description", "descending": True, "with_user": True})
    assert [extension.id for extension in result.extensions] == ["901@client.kavkom.com"]
    (request,) = seen.requests
    assert str(request.url).split("?")[0] == "https://api.kavkom.com/api/pbx/v1/extension/list"
    assert dict(request.url.params) == {
        "domain_uuid": DOMAIN_UUID,
        "limit": "5000",
        "page": "1",
        "filter[search_query]": "90",
        "sort[0]": "description",
        "sort[1]": "DESC",
        "with_user": "1",
    }
    assert request.headers["X-API-TOKEN"] == TOKEN
    assert request.headers["Accept"] == request.headers["Content-Type"] == "application/json"


def test_what_is_not_asked_for_is_not_sent() -> None:
    seen = Recorder(listing([]))
    assert listed(seen).extensions == ()
    assert set(seen.requests[0].url.params) == {"domain_uuid", "limit", "page", "sort[0]", "sort[1]"}


def test_the_lightweight_list() -> None:
    light = {"extension": "901", "extension_uuid": "u"}
    seen = Recorder(listing([light]))
    (extension,) = listed(seen, limited=True).extensions
    assert (extension.id, extension.user_context, extension.password) == ("901", "", None)
    assert seen.requests[0].url.path == "/api/pbx/v1/extension/list_limited"


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (9, 1), (10, 2), (25, 3), (30, 4)])
def test_pages_until_a_short_one(count: int, pages: int) -> None:
    seen = Recorder(listing([record(str(900 + index)) for index in range(count)]))
    result = listed(seen, page_size=10)
    assert len(result.extensions) == count
    assert result.pages == len(seen.requests) == pages
    assert not result.problems


def test_records_that_move_between_pages_are_not_doubled() -> None:
    pages = [[record("901"), record("902")], [record("902"), record("903")], [record("904")]]
    result = listed(lambda request: reply(page(pages[int(request.url.params["page"]) - 1])), page_size=2)
    assert [extension.extension for extension in result.extensions] == ["901", "902", "903", "904"]


def test_a_pbx_that_ignores_the_page_number_is_noticed() -> None:
    seen = Recorder(lambda request: reply(page([record("901"), record("902")])))
    result = listed(seen, page_size=2)
    assert len(seen.requests) == 2
    assert len(result.extensions) == 2
    assert "page 2 only repeats earlier records" in result.problems[0]


def test_endless_pages_end_with_an_error() -> None:
    def endless(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        return reply(page([record(f"{number}-{index}") for index in range(10)]))

    with pytest.raises(ProviderDown, match="more than 100 extensions and shows no end after 10 pages"):
        listed(endless, page_size=10, max_records=100)


def test_endless_nonsense_ends_too() -> None:
    with pytest.raises(ProviderDown, match="shows no end"):
        listed(lambda request: reply(page([{}] * 10)), page_size=10, max_records=100)


def test_bad_records_are_named_and_the_others_kept() -> None:
    records = [record("901"), record("902", user_context=None), "junk", record("9 3"), record("904")]
    result = listed(listing(records))
    assert [extension.extension for extension in result.extensions] == ["901", "904"]
    assert result.problems == (
        "record 2 (extension 902): user_context is not a host name",
        "record 3: is not an object",
        "record 4: extension is not usable as a SIP user name",
    )


def test_thousands_of_bad_records_stay_readable() -> None:
    result = listed(listing([{}] * 3000))
    assert len(result.problems) == 101
    assert result.problems[-1] == "and 2900 more records"


@pytest.mark.parametrize("data", [{}, None, "hunter2", {"data": []}, 7])
def test_data_that_is_no_list(data: object) -> None:
    body = {"data": data, "success": True, "message": "Action completed successfully"}
    with pytest.raises(ProviderDown, match=r"list answered without a list in `data` \(Action completed"):
        listed(lambda request: reply(body))


def test_a_rejected_token_says_what_to_check_and_is_asked_once() -> None:
    seen = Recorder(lambda request: reply({"error": True, "message": f"Token {TOKEN} rejected"}, 403))
    with pytest.raises(ProviderRefused, match=r"Token \*\*\* rejected; check that provider\.token") as caught:
        listed(seen)
    assert len(seen.requests) == 1
    assert TOKEN not in str(caught.value)


def test_a_failure_that_passes_is_tried_again() -> None:
    answers = iter([reply("<title>Bad Gateway</title>", 502), reply({"message": "no"}, 503), reply(page([record()]))])
    assert len(listed(lambda request: next(answers)).extensions) == 1


@pytest.mark.parametrize(
    ("response", "tries"),
    [
        (reply("<html><title>Down</title>", 500), 3),
        (reply("<html>login</html>", 200), 1),
        (reply({"message": "slow down"}, 429), 1),
        (reply(b'{"data": [', 200), 1),
    ],
)
def test_how_often_a_failure_is_tried(response: httpx.Response, tries: int) -> None:
    body, status = response.content, response.status_code
    seen = Recorder(lambda request: reply(body, status))
    with pytest.raises(ProviderDown) as caught:
        listed(seen)
    assert len(seen.requests) == tries
    assert caught.value.status == status


def test_an_answer_without_end_is_cut() -> None:
    big = page([record(description="x" * 10_000) for _ in range(200)])
    with pytest.raises(ProviderDown, match="sends more than 1024 KiB in one answer"):
        listed(lambda request: reply(big))


def test_a_redirect_is_not_followed_with_the_token() -> None:
    seen = Recorder(lambda request: httpx.Response(302, headers={"location": "https://elsewhere.example/login"}))
    with pytest.raises(ProviderDown, match=r"redirects to https://elsewhere\.example/login"):
        listed(seen)
    assert {request.url.host for request in seen.requests} == {"api.kavkom.com"}


@pytest.mark.parametrize("token", ["zq7\u00e9", "zq7\nX-Evil: 1", " zq7", "zq7 "])
def test_a_token_that_no_header_can_carry(token: str) -> None:
    with pytest.raises(ConfigError, match="copy it anew") as caught:
        HttpApi(Endpoint("https://api.kavkom.com", Secret(token)))
    assert "zq7" not in str(caught.value)


def test_the_client_of_a_configuration() -> None:
    provider = Config.model_validate(
        {
            "provider": {
                "api_url": "https://pbx.example/base/",
                "domain_uuid": DOMAIN_UUID,
                "token": Secret(TOKEN),
                "page_size": 7,
            }
        }
    ).provider
    assert provider is not None
    seen = Recorder(lambda request: reply({"message": "gone"}, 404))

    async def run() -> None:
        async with PbxApi.of(provider, transport=httpx.MockTransport(seen), retry=Retry(attempts=1)) as api:
            await api.extensions()

    with pytest.raises(
        ProviderRefused, match=r"^pbx\.example/base/api/pbx/v1/extension/list refused \(HTTP 404\): gone$"
    ):
        asyncio.run(run())
    assert seen.requests[0].url.params["limit"] == "7"


def test_pauses_between_tries_grow_and_vary() -> None:
    retry = Retry(first_s=1.0, factor=4.0)
    assert all(0.5 <= retry.pause_s(1) <= 1.5 and 2.0 <= retry.pause_s(2) <= 6.0 for _ in range(50))
    assert len({retry.pause_s(1) for _ in range(10)}) > 1
