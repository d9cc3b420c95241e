"""Calls that the PBX starts and hangs up, and single pages of the extension list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from softphone.errors import (
    FieldsRefused,
    OutcomeUnknown,
    ProviderDown,
    SourceRefused,
    SwitchRefused,
    TokenRefused,
    UsageError,
)
from softphone.kavkom import PbxApi, Progress
from tests.kavkom.answers import DOMAIN_UUID, listing, pbx, record, reply

STARTED = {
    "success": True,
    "message": "Action completed successfully",
    "call_uuid": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "recording": "+OK",
}


class Pbx:
    """Gives these answers in turn, the last one for ever; an exception breaks the connection."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else dict(request.url.params)
        self.asked.append((request.method, request.url.path, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)


def on(service: Callable[[httpx.Request], httpx.Response], act: Callable[[PbxApi], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with pbx(service) as api:
            return await act(api)

    return asyncio.run(run())


def test_a_call_is_started_as_documented() -> None:
    service = Pbx(reply(STARTED))
    started = on(service, lambda api: api.call("901", "33612345678", auto_answer=True))
    assert service.asked == [
        (
            "POST",
            "/api/pbx/v1/active_call/call",
            {"domain_uuid": DOMAIN_UUID, "src": "901", "destination": "33612345678", "auto_answer": "true"},
        )
    ]
    assert started.call_uuid == "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
    assert (started.recording, started.recorded, started.extra) == ("+OK", True, {})


def test_every_parameter_of_a_call() -> None:
    service = Pbx(reply(STARTED))
    on(service, lambda api: api.call("901", "sip:a@b", auto_answer=False, ignore_early=True, src_cid_number="77"))
    on(service, lambda api: api.call("901", "902", ignore_early="verbatim"))
    bodies = [body for _, _, body in service.asked]
    assert bodies[0] | {"domain_uuid": ""} == {
        "domain_uuid": "",
        "src": "901",
        "destination": "sip:a@b",
        "auto_answer": "false",
        "ignore_early": "true",
        "src_cid_number": "77",
    }
    assert bodies[1] == {"domain_uuid": DOMAIN_UUID, "src": "901", "destination": "902", "ignore_early": "verbatim"}


def test_a_call_in_an_envelope_with_data() -> None:
    answer = {"success": True, "message": "ok", "data": {"call_uuid": "x", "queue": 3}}
    started = on(Pbx(reply(answer)), lambda api: api.call("901", "902"))
    assert (started.call_uuid, started.recorded, started.extra) == ("x", False, {"queue": 3})


@pytest.mark.parametrize("status", [422, 200, 400])
def test_a_source_that_does_not_exist(status: int) -> None:
    answer = reply({"error": True, "message": "src invalid", "validationErrors": {}}, status)
    with pytest.raises(SourceRefused, match="does not exist on this domain") as caught:
        on(Pbx(answer), lambda api: api.call("999", "902"))
    assert (caught.value.field, caught.value.status, caught.value.service) == ("src", status, "pbx")


def test_a_call_that_the_switch_refuses() -> None:
    answer = reply({"error": True, "message": "-ERR USER_NOT_REGISTERED\n"}, 422)
    with pytest.raises(SwitchRefused) as caught:
        on(Pbx(answer), lambda api: api.call("901", "902"))
    assert caught.value.reply == "-ERR USER_NOT_REGISTERED"


def test_values_that_are_refused_by_field() -> None:
    answer = reply(
        {
            "error": True,
            "message": "Model is not valid",
            "validationErrors": {"destination": ["too long", "odd"], "extension": "The extension field is required."},
        },
        422,
    )
    with pytest.raises(FieldsRefused, match="Model is not valid") as caught:
        on(Pbx(answer), lambda api: api.call("901", "902"))
    assert caught.value.fields == {"destination": "too long, odd", "extension": "The extension field is required."}
    assert caught.value.field == "destination"


def test_a_refused_token_is_no_refused_call() -> None:
    with pytest.raises(TokenRefused):
        on(Pbx(reply({"error": True, "message": "src invalid"}, 403)), lambda api: api.call("901", "902"))


@pytest.mark.parametrize(
    "broken",
    [httpx.ReadError("x"), httpx.RemoteProtocolError("x"), reply(b"", 502), reply(b"{"), reply({"success": 1})],
)
def test_a_call_is_never_started_twice(broken: httpx.Response | Exception) -> None:
    service = Pbx(broken)
    with pytest.raises(OutcomeUnknown, match="may have been"):
        on(service, lambda api: api.call("901", "902"))
    assert len(service.asked) == 1


def test_a_call_that_was_never_sent_is_known_not_to_be_there() -> None:
    with pytest.raises(ProviderDown) as caught:
        on(Pbx(httpx.ConnectError("x")), lambda api: api.call("901", "902"))
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(("src", "destination"), [("", "902"), ("901", " "), ("901", "9\n02")])
def test_a_call_without_sense_is_never_sent(src: str, destination: str) -> None:
    service = Pbx(reply(STARTED))
    with pytest.raises(UsageError):
        on(service, lambda api: api.call(src, destination))
    assert service.asked == []


# ---- hanging up


def test_a_call_is_hung_up_as_documented() -> None:
    service = Pbx(reply({"success": True, "message": "Action completed successfully"}))
    killed = on(service, lambda api: api.kill("a1b2"))
    assert service.asked == [
        ("POST", "/api/pbx/v1/active_call/kill", {"domain_uuid": DOMAIN_UUID, "call_uuid": "a1b2"})
    ]
    assert (killed.call_uuid, killed.message) == ("a1b2", "Action completed successfully")


def test_hanging_up_is_repeated_since_it_does_no_harm() -> None:
    service = Pbx(httpx.ReadError("x"), reply({"error": True, "message": "-ERR No such channel!"}, 422))
    assert on(service, lambda api: api.kill("a1b2")).message == "-ERR No such channel!"
    assert len(service.asked) == 2


def test_a_call_that_is_not_there_is_refused() -> None:
    service = Pbx(reply({"error": True, "message": "-ERR No such channel!"}, 422))
    with pytest.raises(SwitchRefused):
        on(service, lambda api: api.kill("a1b2"))
    assert len(service.asked) == 1


@pytest.mark.parametrize("call_uuid", ["", " ", "a\nb"])
def test_no_call_is_no_request(call_uuid: str) -> None:
    with pytest.raises(UsageError):
        on(Pbx(reply({})), lambda api: api.kill(call_uuid))


# ---- pages


def test_a_single_page_with_every_parameter() -> None:
    service = Pbx(reply({"data": [record("905")], "success": True}))
    listed = on(
        service,
        lambda api: api.extensions_page(
            3, limit=20, search="90", sort="outbound_caller_id_name", descending=True, with_user=True
        ),
    )
    assert [each.extension for each in listed.extensions] == ["905"]
    assert service.asked[0][2] == {
        "domain_uuid": DOMAIN_UUID,
        "page": "3",
        "limit": "20",
        "filter[search_query]": "90",
        "sort[0]": "outbound_caller_id_name",
        "sort[1]": "DESC",
        "with_user": "1",
    }
    on(service, lambda api: api.extensions_page())
    assert service.asked[1][2] == {"domain_uuid": DOMAIN_UUID, "page": "1"}


@pytest.mark.parametrize("wrong", [{"page": 0}, {"limit": 0}, {"limit": 5001}])
def test_a_page_that_cannot_be(wrong: dict[str, int]) -> None:
    service = Pbx(reply({}))
    with pytest.raises(UsageError):
        on(service, lambda api: api.extensions_page(**wrong))
    assert service.asked == []


def test_a_long_listing_tells_how_far_it_is() -> None:
    told: list[Progress] = []

    async def run() -> None:
        async with pbx(listing([record(str(n)) for n in range(100, 125)]), page_size=10) as api:
            await api.extensions(on_page=told.append)

    asyncio.run(run())
    assert told == [Progress(1, 10), Progress(2, 20)]
