"""REGISTER as phones really do it: digest, expiry, several contacts, removal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from softphone.lab import Lab, LabOptions
from tests.lab.phone import phone


def in_lab(test: Callable[[Lab], Awaitable[None]], options: LabOptions | None = None) -> None:
    async def run() -> None:
        async with Lab(options) as lab:
            await test(lab)

    asyncio.run(run())


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_register_refresh_unregister(transport: str, algorithm: str) -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", transport, algorithm=algorithm) as ua:
            response = await ua.register()
            assert f"{ua.contact};expires=600" in response.headers.getlist("Contact")
            event = await lab.wait_for("registered", extension="901", transport=transport)
            assert event["expires_s"] == 600
            assert not event["refresh"]
            await ua.register()
            assert (await lab.wait_for("registered", count=2))["refresh"]
            assert len(lab.registrations("901")) == 1
            await ua.register(headers={"Expires": "0"})
            await lab.wait_for("unregistered", cause="request")
            assert lab.registrations() == []

    in_lab(test)


def test_wrong_password_is_403_and_the_right_one_is_not_held_against_it() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", password="wrong") as ua:
            await ua.register(expect=403)
            await lab.wait_for("registration_failed", extension="901", code=403, cause="wrong password")
        async with phone(lab, "901") as ua:
            await ua.register()

    in_lab(test)


@pytest.mark.parametrize(("user", "cause"), [("777", "no such extension"), ("909", "disabled")])
def test_unknown_and_disabled_extensions_are_403(user: str, cause: str) -> None:
    async def test(lab: Lab) -> None:
        password = lab.extension(user).password if user == "909" else "x"
        async with phone(lab, user, password=password) as ua:
            await ua.register(expect=403)
            await lab.wait_for("registration_failed", extension=user, cause=cause)

    in_lab(test)


def test_another_domain_is_403() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua:
            ua.domain = "elsewhere.test"
            await ua.register(expect=403)

    in_lab(test)


def test_stale_nonce_is_said_to_be_stale() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua:
            uri, to = f"sip:{ua.domain}", f"<sip:901@{ua.domain}>"
            ua.send(ua.request("REGISTER", uri, to=to))
            first = ua.pick(await ua.expect(401))
            assert "stale" not in first
            lab.expire_nonces()
            value = ua.answer_challenge(first, "REGISTER", uri)
            ua.send(ua.request("REGISTER", uri, to=to, headers={"Authorization": value}))
            second = ua.pick(await ua.expect(401))
            assert "stale=true" in second
            value = ua.answer_challenge(second, "REGISTER", uri, nc=1)
            ua.send(ua.request("REGISTER", uri, to=to, headers={"Authorization": value}))
            await ua.expect(200)
            # the same nonce and count once more is a replay
            ua.send(ua.request("REGISTER", uri, to=to, headers={"Authorization": value}))
            assert "stale=true" in ua.pick(await ua.expect(401))
            # a higher count is not
            value = ua.answer_challenge(second, "REGISTER", uri, nc=2)
            ua.send(ua.request("REGISTER", uri, to=to, headers={"Authorization": value}))
            await ua.expect(200)

    in_lab(test)


def test_too_brief_is_423_with_min_expires() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua:
            response = await ua.register(headers={"Expires": "5"}, expect=423)
            assert response.min_expires == 10

    in_lab(test)


def test_binding_expires() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua:
            await ua.register(headers={"Expires": "1"})
            await lab.wait_for("unregistered", extension="901", cause="expired")
            assert lab.registrations() == []

    in_lab(test, LabOptions(min_expires_s=1))


def test_star_removes_all_and_needs_expires_0() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as one, phone(lab, "901", "tcp") as two:
            await one.register()
            response = await two.register()
            assert len(response.contact) == 2
            await two.register(headers={"Contact": "*", "Expires": "60"}, expect=400)
            response = await two.register(headers={"Contact": "*", "Expires": "0"})
            assert response.contact == []
            assert len(lab.events.find("unregistered")) == 2

    in_lab(test)


def test_query_changes_nothing() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua:
            await ua.register()
            uri, to = f"sip:{ua.domain}", f"<sip:901@{ua.domain}>"
            ua.send(ua.request("REGISTER", uri, to=to))
            value = ua.answer_challenge(ua.pick(await ua.expect(401)), "REGISTER", uri)
            query = ua.request("REGISTER", uri, to=to, headers={"Authorization": value})
            ua.send(query.replace(f"Contact: {ua.contact}\r\n".encode(), b""))
            response = await ua.expect(200)
            assert [str(each.uri) for each in response.contact] == [ua.contact.strip("<>")]
            assert len(lab.events.find("registered")) == 1

    in_lab(test)


def test_a_dropped_connection_takes_its_registration_with_it() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "tls") as ua:
            await ua.register()
            assert lab.drop_connections() == 1
            await lab.wait_for("unregistered", extension="901", cause="connection")
            await lab.wait_for("connection_closed", transport="tls")

    in_lab(test)


def test_keep_alive_is_answered_on_streams_only() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "tcp") as ua:
            ua.send(b"\r\n\r\n")
            assert await asyncio.wait_for(ua.raw.get(), 2) == b"\r\n"
            await ua.register()
        async with phone(lab, "902") as ua:
            ua.send(b"\r\n\r\n")
            await ua.register()
        assert not lab.events.find("garbage")

    in_lab(test)


def test_frozen_lab_says_nothing_until_it_thaws() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "tls") as ua:
            lab.freeze()
            ua.send(b"\r\n\r\n")
            with pytest.raises(TimeoutError):
                await ua.receive(0.2)
            lab.thaw()
            await ua.register()

    in_lab(test)


def test_silenced_connections_stay_silent_while_new_ones_work() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "tls") as old:
            await old.register()
            assert lab.silence_connections() == 1
            old.send(b"\r\n\r\n")
            with pytest.raises(TimeoutError):
                await old.receive(0.2)
            async with phone(lab, "901", "tls") as new:
                await new.register()

    in_lab(test)
