"""The sound of a call: play, record, audio route, quality."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from starlette.responses import Response

from softphone.control.models import (
    AudioRequest,
    GainRequest,
    MeterRequest,
    PlayRequest,
    PlayStarted,
    RecordRequest,
    RecordStarted,
)
from softphone.control.routes.base import BAD_BODY, NO_CALL, WRONG_STATE, Agent, CallId, problems, reply, router
from softphone.engine.views import CallView, RecordEndView

routes = router("media")

PlayId = Annotated[str, Path(description="The play's id.", examples=["p1"])]
RecordId = Annotated[str, Path(description="The recording's id.", examples=["r1"])]
UNUSABLE = {**BAD_BODY, "_422": "A wrong value, or a sound file or device that cannot be used."}
ON_MEDIA = problems(**NO_CALL, **WRONG_STATE, **UNUSABLE)
ON_STOP = problems(_404="There is no such call, play or recording.", **WRONG_STATE)


@routes.post("/v1/calls/{id}/play", status_code=201, response_model=PlayStarted, responses=ON_MEDIA)
async def play_file(agent: Agent, call_id: CallId, body: PlayRequest) -> Response:
    """Plays a file to the far end. `play.ended` tells its end."""
    play = await agent.play(call_id, body.file, loop=body.loop)
    return reply(PlayStarted(play, call_id, body.file), 201)


@routes.delete("/v1/calls/{id}/plays", status_code=204, responses=ON_STOP)
async def stop_plays(agent: Agent, call_id: CallId) -> Response:
    """Stops all that is being played."""
    agent.stop_play(call_id)
    return Response(status_code=204)


@routes.delete("/v1/calls/{id}/plays/{play_id}", status_code=204, responses=ON_STOP)
async def stop_play(agent: Agent, call_id: CallId, play_id: PlayId) -> Response:
    """Stops one file."""
    agent.stop_play(call_id, play_id)
    return Response(status_code=204)


@routes.post("/v1/calls/{id}/record", status_code=201, response_model=RecordStarted, responses=ON_MEDIA)
async def start_recording(agent: Agent, call_id: CallId, body: RecordRequest) -> Response:
    """Records the call to a WAV file. `record.ended` tells its end."""
    record = await agent.record(
        call_id, body.file, mode=body.mode, overwrite=body.overwrite, max_duration_s=body.max_duration_s
    )
    return reply(RecordStarted(record, call_id, body.file), 201)


@routes.delete("/v1/calls/{id}/records", response_model=list[RecordEndView], responses=ON_STOP)
async def stop_recordings(agent: Agent, call_id: CallId) -> Response:
    """Stops all recordings; the files are complete when this returns."""
    return reply(list(await agent.stop_record(call_id)))


@routes.delete("/v1/calls/{id}/records/{record_id}", response_model=list[RecordEndView], responses=ON_STOP)
async def stop_recording(agent: Agent, call_id: CallId, record_id: RecordId) -> Response:
    """Stops one recording; the file is complete when this returns."""
    return reply(list(await agent.stop_record(call_id, record_id)))


@routes.post("/v1/calls/{id}/audio", response_model=CallView, responses=ON_MEDIA)
async def set_audio(agent: Agent, call_id: CallId, body: AudioRequest) -> Response:
    """Routes the call's sound elsewhere."""
    await agent.set_audio(call_id, body.as_route())
    return reply(agent.call(call_id))


@routes.put("/v1/calls/{id}/gain", response_model=CallView, responses=ON_MEDIA)
async def set_gain(agent: Agent, call_id: CallId, body: GainRequest) -> Response:
    """Makes microphone and loudspeaker of the call louder or quieter, at once."""
    return reply(agent.set_gain(call_id, input_db=body.input_db, output_db=body.output_db))


@routes.put("/v1/calls/{id}/meter", response_model=CallView, responses=ON_MEDIA)
async def start_meter(agent: Agent, call_id: CallId, body: MeterRequest | None = None) -> Response:
    """Measures the call until DELETE or its end: `audio.talk` tells who talks, `audio.level` how loud both are."""
    return reply(agent.start_meter(call_id, interval_ms=body.interval_ms if body else None))


@routes.delete("/v1/calls/{id}/meter", status_code=204, responses=problems(**NO_CALL, **WRONG_STATE))
async def stop_meter(agent: Agent, call_id: CallId) -> Response:
    """Measures the call no more."""
    agent.stop_meter(call_id)
    return Response(status_code=204)


@routes.get("/v1/calls/{id}/quality", response_model=dict[str, Any] | None, responses=problems(**NO_CALL))
async def get_quality(agent: Agent, call_id: CallId) -> Response:
    """RTP figures of the call as they are now; null before there is media."""
    return reply(agent.quality(call_id))
