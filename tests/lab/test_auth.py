"""Access tokens: acquired, verified, revoked, and refused."""

from __future__ import annotations

import datetime
import time
from typing import Any

import pytest

from softphone.lab import LabOptions
from softphone.lab.service_options import ServiceOptions, TenantOptions
from tests.lab.service import Client, with_service


def test_acquire_verify_revoke() -> None:
    async def test(api: Client) -> None:
        token = await api.acquire(901, 902)
        assert set(token) == {"token", "expiresAt"}
        remaining_s = datetime.datetime.fromisoformat(token["expiresAt"]).timestamp() - time.time()
        assert 250 < remaining_s <= 300
        for bearer, body in ((token["token"], {}), (None, {"token": token["token"]})):
            verified = await api.auth("verify-access", bearer=bearer, **body)
            assert verified.json()["token"] == token["token"]
            assert verified.json()["expiresAt"] >= token["expiresAt"]
        assert (await api.auth("revoke-access", bearer=token["token"])).status_code == 200
        gone = await api.auth("verify-access", bearer=token["token"])
        assert (gone.status_code, gone.json()["message"]) == (401, "Invalid token")

    with_service(test)


def test_a_verification_may_leave_the_time_alone() -> None:
    async def test(api: Client) -> None:
        token = await api.acquire(901)
        assert (await api.auth("verify-access", bearer=token["token"])).json() == token

    with_service(test, LabOptions(service=ServiceOptions(verify_extends=False)))


def test_a_revoked_refresh_token_takes_its_access_tokens_with_it() -> None:
    async def test(api: Client) -> None:
        token = await api.acquire(901)
        assert (await api.auth("revoke-refresh")).status_code == 200
        assert (await api.auth("verify-access", bearer=token["token"])).status_code == 401
        again = await api.auth("acquire-access", userUuid=api.tenant.user_uuid, extensions=[901], application="x")
        assert (again.status_code, again.json()["message"]) == (401, "Invalid token")

    with_service(test)


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"userUuid": ""}, 422, "The userUuid field is required."),
        ({"extensions": []}, 422, "The extensions field is required."),
        ({"extensions": ["901"]}, 422, "The extensions field must be a list of integers."),
        ({"extensions": [True]}, 422, "The extensions field must be a list of integers."),
        ({"scope": "everything"}, 422, "The selected scope is invalid."),
        ({"application": None}, 422, "The application field is required."),
        ({"extensions": [555]}, 403, "Extension 555 is not authorized"),
        ({"userUuid": "ddcfeb62-110f-4bd7-b7a9-965e1a78295f"}, 403, "User is not authorized for this domain"),
    ],
)
def test_refusals(change: dict[str, Any], status: int, text: str) -> None:
    async def test(api: Client) -> None:
        good = {"userUuid": api.tenant.user_uuid, "extensions": [901], "scope": "calls", "application": "x"}
        answer = await api.auth("acquire-access", **(good | change))
        assert answer.status_code == status
        assert text in (answer.json()["message"], *answer.json()["validationErrors"].values())

    with_service(test)


def test_strangers() -> None:
    async def test(api: Client) -> None:
        other = Client(api.lab, api.http, api.lab.directory.tenant("b.test"))
        for what in ("acquire-access", "verify-access", "revoke-access", "revoke-refresh"):
            assert (await api.auth(what, bearer="wrong")).status_code == 401
        token = await api.acquire(901)
        for what in ("verify-access", "revoke-access"):
            assert (await other.auth(what, token=token["token"])).status_code == 401
        assert (await api.auth("verify-access", bearer=token["token"])).status_code == 200

    with_service(test, LabOptions(tenants=(TenantOptions("b.test", extensions=("901",)),)))


def test_tokens_expire() -> None:
    async def test(api: Client) -> None:
        token = await api.acquire(901)
        assert api.lab.expire_tokens() == 1
        assert (await api.auth("verify-access", bearer=token["token"])).status_code == 401
        api.lab.fault("auth", "expired_token", times=1)
        refused = await api.auth("acquire-access", userUuid=api.tenant.user_uuid, extensions=[901], application="x")
        assert refused.status_code == 401
        await api.acquire(901)

    with_service(test)
