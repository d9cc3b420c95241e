"""The extension lists: the documented shapes and errors, and the faults on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from softphone.lab import Lab, LabOptions

LIST = "/api/pbx/v1/extension/list"
MANY = LabOptions(extensions=tuple(str(n) for n in range(900, 940)), disabled=("999",))


class Api:
    """A client with the lab's token and domain; `get` takes changes to the query."""

    def __init__(self, lab: Lab, client: httpx.AsyncClient) -> None:
        self.lab = lab
        self.client = client

    async def get(
        self, path: str = LIST, *, token: str | None = None, timeout_s: float = 5, **query: Any
    ) -> httpx.Response:
        query = {"domain_uuid": self.lab.domain_uuid} | {name.replace("__", ""): v for name, v in query.items()}
        headers = {"X-API-TOKEN": self.lab.api_token if token is None else token}
        params = {name: value for name, value in query.items() if value is not None}
        return await self.client.get(path, params=params, headers=headers, timeout=timeout_s)

    async def rows(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        response = await self.get(**query)
        assert response.status_code == 200, response.text
        body = response.json()
        assert (body["success"], body["message"]) == (True, "Action completed successfully")
        rows: list[dict[str, Any]] = body["data"]
        return rows


def with_api(test: Callable[[Api], Awaitable[None]], options: LabOptions = MANY) -> None:
    async def run() -> None:
        async with Lab(options) as lab, httpx.AsyncClient(base_url=lab.api_url) as client:
            await test(Api(lab, client))

    asyncio.run(run())


def test_a_row_is_what_the_service_documents() -> None:
    async def test(api: Api) -> None:
        row = (await api.rows({"filter[search_query]": "901"}))[0]
        extension = api.lab.extension("901")
        documented = {
            "extension_uuid": extension.uuid,
            "domain_uuid": api.lab.domain_uuid,
            "extension": "901",
            "password": extension.password,
            "user_context": "pbx.lab.test",
            "enabled": "true",
        }
        assert documented.items() <= row.items()
        assert "user" not in row
        with_user = (await api.rows({"filter[search_query]": "999", "with_user": 1}))[0]
        assert with_user["enabled"] == "false"
        assert with_user["user"]["user_uuid"]

    with_api(test)


def test_pages() -> None:
    async def test(api: Api) -> None:
        assert len(await api.rows({})) == 15
        assert len(await api.rows({"limit": 5000})) == 41
        pages = [await api.rows({"limit": 20, "page": page}) for page in (1, 2, 3, 4)]
        assert [len(page) for page in pages] == [20, 20, 1, 0]
        assert len({row["extension_uuid"] for page in pages for row in page}) == 41

    with_api(test)


def test_order() -> None:
    async def test(api: Api) -> None:
        for column in ("extension", "effective_caller_id_number", "outbound_caller_id_name", "description"):
            up = await api.rows({"limit": 50, "sort[0]": column, "sort[1]": "ASC"})
            down = await api.rows({"limit": 50, "sort[0]": column, "sort[1]": "DESC"})
            assert [row[column] for row in up] == sorted(row[column] for row in up)
            assert [row[column] for row in down] == sorted((row[column] for row in down), reverse=True)

    with_api(test)


def test_the_light_list_has_no_secrets() -> None:
    async def test(api: Api) -> None:
        response = await api.get(LIST + "_limited")
        assert response.status_code == 200
        assert response.json()["data"][0]["extension"] == "900"
        assert "password" not in response.text

    with_api(test)


@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        ({"domain_uuid": None}, "domain_uuid", "The domain_uuid field is required."),
        ({"domain_uuid": "1"}, "domain_uuid", "The domain_uuid field must be a valid UUID."),
        ({"limit": 0}, "limit", "The limit field must be between 1 and 5000."),
        ({"limit": 5001}, "limit", "The limit field must be between 1 and 5000."),
        ({"limit": "many"}, "limit", "The limit field must be between 1 and 5000."),
        ({"page": 0}, "page", "The page field must be between 1 and 1000000."),
        ({"sort[0]": "password"}, "sort[0]", "The selected sort[0] is invalid."),
        ({"sort[1]": "UP"}, "sort[1]", "The selected sort[1] is invalid."),
        ({"with_user": "yes"}, "with_user", "The selected with_user is invalid."),
    ],
)
def test_invalid_parameters(query: dict[str, Any], field: str, text: str) -> None:
    async def test(api: Api) -> None:
        response = await api.get(**query)
        assert response.status_code == 422
        body = {"error": True, "message": "Model is not valid", "validationErrors": {field: text}}
        assert response.json() == body

    with_api(test)


def test_rejected_tokens() -> None:
    async def test(api: Api) -> None:
        for token, status in (("", 401), ("wrong", 401)):
            response = await api.get(token=token)
            assert response.status_code == status
            assert response.json()["error"] is True
        other = await api.get(domain_uuid="ddcfeb62-110f-4bd7-b7a9-965e1a78295f")
        assert (other.status_code, other.json()["validationErrors"]) == (403, {})
        await api.lab.wait_for("api_request", status=403)

    with_api(test)


def test_unknown_routes_and_methods_answer_in_the_same_envelope() -> None:
    async def test(api: Api) -> None:
        assert (await api.get("/nothing")).json()["error"] is True
        response = await api.client.post(LIST)
        assert (response.status_code, response.json()["error"]) == (405, True)

    with_api(test)


def test_changes_show_in_the_list() -> None:
    async def test(api: Api) -> None:
        lab = api.lab
        lab.set_password("901", "new")
        lab.disable("902")
        lab.remove_extension("903")
        lab.add_extension("1000", password="known")
        rows = {row["extension"]: row for row in await api.rows({"limit": 5000})}
        assert rows["901"]["password"] == "new"
        assert rows["902"]["enabled"] == "false"
        assert "903" not in rows
        assert rows["1000"]["password"] == "known"

    with_api(test)


def test_faults() -> None:
    async def test(api: Api) -> None:
        lab = api.lab
        lab.api_fault("status", status=503, times=1)
        assert (await api.get()).status_code == 503
        assert (await api.get()).status_code == 200
        lab.api_fault("html", status=502)
        response = await api.get()
        assert (response.status_code, response.headers["content-type"][:9]) == (502, "text/html")
        for kind in ("truncated", "drop"):
            lab.api_fault(kind)  # type: ignore[arg-type]
            with pytest.raises(httpx.RemoteProtocolError):
                await api.get()
        lab.api_fault("empty")
        assert (await api.get()).content == b""
        lab.api_fault("wrong_types")
        assert isinstance(json.loads((await api.get()).text)["data"][1], int)
        lab.api_fault("slow", delay_s=5)
        with pytest.raises(httpx.ReadTimeout):
            await api.get(timeout_s=0.2)
        lab.api_fault(None)
        assert (await api.get()).status_code == 200

    with_api(test)


def test_endless_and_repeated_pages() -> None:
    async def test(api: Api) -> None:
        seen: dict[str, set[str]] = {}
        for kind in ("endless_pages", "repeated_page"):
            api.lab.api_fault(kind)  # type: ignore[arg-type]
            pages = [await api.rows({"limit": 7, "page": page}) for page in (1, 2, 3)]
            assert [len(page) for page in pages] == [7, 7, 7]
            seen[kind] = {row["extension_uuid"] for page in pages for row in page}
        assert (len(seen["endless_pages"]), len(seen["repeated_page"])) == (21, 7)

    with_api(test)


def test_https_with_the_labs_own_authority() -> None:
    async def run() -> None:
        async with Lab(LabOptions(api_https=True)) as lab:
            import ssl

            context = ssl.create_default_context(cafile=str(lab.ca_file))
            async with httpx.AsyncClient(base_url=lab.api_url, verify=context) as client:
                assert lab.api_url.startswith("https://")
                assert (await Api(lab, client).get()).status_code == 200

    asyncio.run(run())
