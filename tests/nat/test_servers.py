"""The watch over STUN servers: what calls may use, and what is told when that changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from softphone import events
from softphone.addresses import HostPort
from softphone.bus import Bus
from softphone.config import Secret
from softphone.config.nat import Nat
from softphone.nat.servers import NatServers
from softphone.stacks.base import MediaServers
from tests.nat.stunserver import stun_server
from tests.support.until import until


class Watch:
    def __init__(self, config: dict[str, Any]) -> None:
        self.bus = Bus()
        self.used: list[MediaServers] = []
        self.told: list[dict[str, Any]] = []
        self.bus.listen(lambda record: self.told.append(record.as_dict()))
        self.servers = NatServers(Nat.model_validate(config), self.bus, self.used.append)

    def types(self) -> list[str]:
        return [event["type"] for event in self.told]


@asynccontextmanager
async def watching(*stun: object, **config: Any) -> AsyncIterator[Watch]:
    watch = Watch({"stun": [str(place) for place in stun], "timeout_s": 0.4} | config)
    watch.servers.start()
    try:
        yield watch
    finally:
        await watch.servers.stop()


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 20))


def test_a_server_that_answers_is_used_and_told_once() -> None:
    async def scene() -> None:
        async with stun_server() as server, watching(server.address, check_s=0.05) as watch:
            await until(lambda: server.asked >= 3)
            assert watch.used[-1].stun == server.address
            assert watch.types() == ["nat.server_ok"]
            assert watch.told[0]["seen"].startswith("127.0.0.1:")
            assert [view.state for view in watch.servers.views()] == ["ok"]

    run(scene())


def test_a_dead_server_is_left_out_and_the_next_takes_its_place() -> None:
    async def scene() -> None:
        async with stun_server() as first, stun_server() as second:
            first.mode = "silent"
            async with watching(first.address, second.address) as watch:
                await until(lambda: "nat.server_failed" in watch.types())
                assert watch.used[-1].stun == second.address
                failed = next(event for event in watch.told if event["type"] == "nat.server_failed")
                assert failed["server"] == str(first.address)
                assert "does not answer within 0.4 s" in failed["cause"]
                assert {view.server: view.state for view in watch.servers.views()} == {
                    str(first.address): "failed",
                    str(second.address): "ok",
                }

    run(scene())


def test_a_server_that_comes_back_is_used_again_at_the_next_call() -> None:
    async def scene() -> None:
        async with stun_server() as server:
            server.mode = "silent"
            async with watching(server.address, check_s=0) as watch:
                await until(lambda: "nat.server_failed" in watch.types())
                assert watch.used[-1] == MediaServers()
                server.mode = "answer"
                watch.servers.call_begins()
                assert watch.types() == ["nat.server_failed"]  # asked a moment ago: not for each call
                await until(lambda: not watch.servers._asking)
                watch.servers._asked_s = None
                watch.servers.call_begins()
                await until(lambda: "nat.server_ok" in watch.types())
                assert watch.used[-1].stun == server.address

    run(scene())


def test_rubbish_and_errors_are_no_answer() -> None:
    async def scene() -> None:
        async with stun_server() as mad, stun_server() as refusing:
            mad.mode, refusing.mode = "rubbish", "error"
            async with watching(mad.address, refusing.address) as watch:
                await until(lambda: watch.types().count("nat.server_failed") == 2)
                causes = {event["server"]: event["cause"] for event in watch.told}
                assert "does not answer" in causes[str(mad.address)]
                assert "500 Server Error" in causes[str(refusing.address)]
                assert watch.used[-1] == MediaServers()

    run(scene())


def test_nobody_there_and_unknown_names_say_so_at_once() -> None:
    async def scene() -> None:
        async with watching("127.0.0.1:9", "nowhere.invalid") as watch:
            await until(lambda: watch.types().count("nat.server_failed") == 2)
            causes = {event["server"]: event["cause"] for event in watch.told}
            assert causes["127.0.0.1:9"].endswith("nothing listens there")
            assert causes["nowhere.invalid:3478"] == "the name nowhere.invalid cannot be looked up"

    run(scene())


def test_before_the_first_answer_a_known_address_counts() -> None:
    async def scene() -> None:
        async with stun_server() as server:
            server.mode = "silent"
            async with watching(server.address) as watch:
                await until(lambda: server.asked > 0)
                assert watch.used[-1].stun == server.address
                await until(lambda: watch.used[-1].stun is None)

    run(scene())


def test_other_servers_after_a_reload() -> None:
    async def scene() -> None:
        async with stun_server() as first, stun_server() as second, watching(first.address) as watch:
            await until(lambda: "nat.server_ok" in watch.types())
            await watch.servers.reload(Nat.model_validate({"stun": [str(first.address)], "timeout_s": 0.4}))
            assert watch.used[-1].stun == first.address  # nothing has changed
            await watch.servers.reload(Nat.model_validate({"stun": [str(second.address)], "gather_s": 0.5}))
            await until(lambda: watch.types().count("nat.server_ok") == 2)
            assert watch.used[-1] == MediaServers(second.address, gather_s=0.5)
            await watch.servers.reload(Nat())
            assert watch.used[-1] == MediaServers()

    run(scene())


def test_another_network_has_them_asked_again() -> None:
    async def scene() -> None:
        async with stun_server() as server, watching(server.address, check_s=0) as watch:
            await until(lambda: "nat.server_ok" in watch.types() and not watch.servers._asking)
            watch.bus.publish(events.NetworkChanged(before=[], after=[], out=[]))
            await until(lambda: server.asked == 2)

    run(scene())


def test_no_servers_no_work() -> None:
    async def scene() -> None:
        async with watching() as watch:
            watch.servers.call_begins()
            assert watch.used == [MediaServers()]
            assert watch.servers.views() == []

    run(scene())


def test_the_password_is_in_no_view() -> None:
    config = Nat.model_validate({"turn": {"server": "turn.test", "username": "u", "password": Secret("hunter2")}})
    servers = NatServers(config, Bus(), lambda _: None)
    assert "hunter2" not in f"{servers.views()} {config} {config.model_dump()} {config.model_dump_json()}"
    assert config.turn is not None
    assert config.turn.port == 3478
    assert "hunter2" not in repr(MediaServers(None, HostPort("127.0.0.1", 1), config.turn))
