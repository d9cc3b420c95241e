"""SIP.js in Chromium and an agent that is registered over TLS talk to each other through Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from softphone.testing.audio import Sound, find, heard_share, read_wav, silence_share, speech_like, write_wav
from tests.interop.browser.chromium import chromium, loopback_network
from tests.interop.browser.sipjs import SipJs
from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.server import Asterisk
from tests.support.phone import Phone, running

BROWSER, AGENT = "931", "901"
MICROPHONE = speech_like(2, 48_000, seed=11)
PROMPT = speech_like(3, seed=12)
# Chromium's jitter buffer stretches some parts of a sound, more of them on a busy machine. Of a sound that somebody
# else made, not a single part is found.
MOST = 0.5
THEM = 0


@pytest.fixture(scope="module")
def pbx() -> Iterator[Asterisk]:
    with loopback_network(), Asterisk() as asterisk:
        yield asterisk


@asynccontextmanager
async def sipjs(pbx: Asterisk, folder: Path) -> AsyncIterator[SipJs]:
    """SIP.js, registered."""
    certificate = pbx.run_dir / "etc" / "good.crt"
    hosts = {pbx.domain: "127.0.0.1"}
    async with chromium(folder, microphone=MICROPHONE, trust=[certificate], hosts=hosts) as browser:
        phone = await SipJs.open(browser, pbx.wss_url, BROWSER, pbx.users[BROWSER].password, pbx.domain)
        await phone.register()
        yield phone


@asynccontextmanager
async def agent_at(pbx: Asterisk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Phone]:
    """The agent, registered over TLS; it answers whoever calls."""
    monkeypatch.setenv("SIP_PASSWORD", pbx.users[AGENT].password)
    account = {
        "username": AGENT,
        "password": {"env": "SIP_PASSWORD"},
        "domain": pbx.domain,
        "transport": "tls",
        "registrar": f"127.0.0.1:{pbx.tls_port}",
        "tls": {"ca_file": str(pbx.ca_file)},
        "incoming": [{"from": "*", "action": "answer"}],
    }
    async with running({"accounts": [account]}, folder) as phone:
        await phone.registered()
        yield phone


class Conversation:
    """What browser and agent hear of each other in one call."""

    def __init__(self, browser: SipJs, agent: Phone, call: str, folder: Path) -> None:
        self.browser, self.agent, self.call, self._folder = browser, agent, call, folder

    async def agent_hears(self, seconds: float) -> Sound:
        file = self._folder / f"heard-{len(list(self._folder.glob('heard-*')))}.wav"
        record = await self.agent.agent.record(self.call, str(file), mode="stereo", max_duration_s=seconds)
        await self.agent.told("record.ended", record=record)
        return read_wav(file, THEM)

    async def browser_hears_the_prompt(self) -> Sound:
        file = self._folder / "prompt.wav"
        write_wav(file, PROMPT)
        await self.browser.tab.listen()
        play = await self.agent.agent.play(self.call, str(file))
        await self.agent.told("play.ended", play=play)
        await asyncio.sleep(0.5)  # jitter buffers on the way
        return await self.browser.tab.heard()

    async def both_hear(self) -> None:
        """Both speak at once, and each is found in what the other heard."""
        await asyncio.sleep(1)  # Chromium's jitter buffer finds its size
        agent, browser = await asyncio.gather(self.agent_hears(3.5), self.browser_hears_the_prompt())
        assert_heard("the agent heard the browser", MICROPHONE, agent)
        assert_heard("the browser heard the agent", PROMPT, browser)


def assert_heard(who: str, sound: Sound, recording: Sound) -> None:
    match, share = find(sound, recording), heard_share(sound, recording, part_s=0.25)
    print(f"{who}: correlation {match.score:.3f}, {share:.0%} of its parts")
    assert share >= MOST, f"{who}: {match}, {share}"


def is_silent(sound: Sound) -> bool:
    """But for its first second: what was on its way is still heard."""
    return silence_share(sound.cut(1)) > 0.7


def test_sipjs_calls_the_agent(pbx: Asterisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with sipjs(pbx, tmp_path) as browser, agent_at(pbx, tmp_path, monkeypatch) as agent:
            await browser.connected(AGENT)
            call = (await agent.told("call.incoming"))["call"]
            await agent.told("call.media", call=call, active=True)
            talk = Conversation(browser, agent, call, tmp_path)
            await talk.both_hear()
            assert await browser.tab.media_path() == "127.0.0.1 -> 127.0.0.1"

            await browser.digits("12#")
            await agent.told("call.digit", call=call, count=3)
            assert "".join(event["digit"] for event in agent.all("call.digit", call=call)) == "12#"

            await browser.hold()
            assert is_silent(await talk.agent_hears(2))
            await browser.resume()
            assert_heard("the agent heard the browser again", MICROPHONE, await talk.agent_hears(3))

            await agent.hung_up(call)
            await browser.told("ended")

    asyncio.run(run())


def test_the_agent_calls_sipjs(pbx: Asterisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with sipjs(pbx, tmp_path) as browser, agent_at(pbx, tmp_path, monkeypatch) as agent:
            call = agent.agent.dial(BROWSER).id
            assert (await browser.answers())["from"] == AGENT
            await agent.told("call.answered", call=call)
            await agent.told("call.media", call=call, active=True)
            talk = Conversation(browser, agent, call, tmp_path)
            await talk.both_hear()

            agent.agent.hold(call)
            await agent.told("call.hold", call=call, held=True)
            assert is_silent(await browser.hears(2))
            agent.agent.resume(call)
            await agent.told("call.hold", call=call, held=False)
            assert_heard("the browser heard the agent again", PROMPT, await talk.browser_hears_the_prompt())

            await browser.transfer(numbers.ECHO)
            agent_echo, _ = await asyncio.gather(
                talk.agent_hears(4), agent.agent.play(call, str(tmp_path / "prompt.wav"))
            )
            assert_heard("the agent heard its echo after the transfer", PROMPT, agent_echo)
            await agent.hung_up(call)
            await browser.unregister()

    asyncio.run(run())
