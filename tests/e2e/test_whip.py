"""A WHIP client that others wrote (aiortc behind plain HTTP) as the handset of a call."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from softphone.testing.audio import heard_share, read_wav, speech_like
from tests.support.browser import Browser, samples_of, sound_of
from tests.support.page import TOKEN, page_of_phone

VOICE = speech_like(2, 48_000, seed=21)
MOST, US, TRIES = 0.4, 1, 8
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/sdp", "User-Agent": "a WHIP client"}


def test_an_offer_by_http_is_a_handset_that_hears_and_is_heard(tmp_path: Path) -> None:
    async def run() -> None:
        async with page_of_phone(tmp_path, web={"tls": False}) as served, Browser(samples_of(VOICE)) as client:
            phone, call = served.phone, await served.phone.connected("9196", account="901")
            async with httpx.AsyncClient(base_url=served.url) as http:
                place = f"/v1/whip?call={call}"
                answer = await http.post(place, content=await client.offer(), headers=HEADERS)
                assert answer.status_code == 201
                await client.take(answer.text)
                attached = await phone.told("handset.attached", call=call, mode="talk")
                assert phone.agent.handset(attached["handset"]).name == "a WHIP client"
                await phone.agent.record(call, str(tmp_path / "said.wav"), mode="stereo")
                await hears(client)
                await phone.agent.stop_record(call)
                assert heard_share(VOICE, read_wav(tmp_path / "said.wav", US), part_s=0.25) >= MOST
                wrong = await http.post("/v1/whip", content="v=0\r\n", headers=HEADERS)
                assert wrong.status_code == 400
                assert (await http.delete(answer.headers["location"], headers=HEADERS)).status_code == 200
                await phone.told("handset.closed", handset=attached["handset"], reason="closed")
                assert phone.agent.call(call).state == "active"

    asyncio.run(run())


async def hears(client: Browser) -> None:
    """Judged aside: whoever computes on the loop makes its sound stumble."""
    shares = []
    for _ in range(TRIES):
        await asyncio.sleep(3.5)
        recording = sound_of(client.heard()[-4 * 48_000 :])
        shares.append(await asyncio.to_thread(heard_share, VOICE, recording, 0.25))
        if shares[-1] >= MOST:
            return
    raise AssertionError(f"heard so much of it: {shares}")
