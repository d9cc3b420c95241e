"""Timelines of calls, and calls that the PBX is ordered to make."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from starlette.responses import Response

from softphone.control.models import ClickRequest
from softphone.control.routes.base import BAD_BODY, NO_ACCOUNT, Agent, problems, reply, router
from softphone.engine.views_pbx import ClickView
from softphone.timeline import query
from softphone.timeline.views import TimelinePage, TimelineView

routes = router("timeline")

Name = Annotated[
    str,
    Path(alias="id", description="A timeline's id, a call's id, a SIP Call-ID, or the PBX's UUID.", examples=["c1"]),
]
_UNKEPT = {"_409": "Timelines are not kept (`timeline.enabled`), or their file cannot be read."}


@routes.get("/v1/timeline", response_model=TimelinePage, responses=problems(**_UNKEPT))
async def list_timelines(
    agent: Agent,
    account: Annotated[str, Query(description="Only those of this account: its id.")] = "",
    extension: Annotated[str, Query(description="Only those of this extension.")] = "",
    direction: Annotated[Literal["", "in", "out"], Query(description="Seen from the extension.")] = "",
    number: Annotated[str, Query(max_length=100, description="Only far ends whose number ends so.")] = "",
    state: Annotated[Literal["", "open", "closed"], Query(description="Whether it may still change.")] = "",
    difference: Annotated[str, Query(max_length=100, description="Only those with this kind, or `any`.")] = "",
    complete: Annotated[bool | None, Query(description="Whether all sides told their part.")] = None,
    since_s: Annotated[float | None, Query(description="Begun at or after this Unix time.")] = None,
    until_s: Annotated[float | None, Query(description="Begun before this Unix time.")] = None,
    before: Annotated[str, Query(max_length=100, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="At most so many.")] = 50,
) -> Response:
    """Timelines without their entries, the newest first."""
    wanted = query.Query(
        account=account,
        extension=extension,
        direction=direction,
        number=number,
        state=state,
        difference=difference,
        complete=complete,
        since_s=since_s,
        until_s=until_s,
        before=before,
        limit=limit,
    )
    return reply(await agent.timelines(wanted))


@routes.get(
    "/v1/timeline/{id}",
    response_model=TimelineView,
    responses=problems(_404="No timeline goes by this name.", **_UNKEPT),
)
async def get_timeline(agent: Agent, name: Name) -> Response:
    """One call, with all that was told of it; of several that go by this name the newest."""
    return reply(await agent.timeline(name))


@routes.post(
    "/v1/click-to-call",
    status_code=201,
    response_model=ClickView,
    responses=problems(
        **BAD_BODY | NO_ACCOUNT,
        _502="The PBX refused.",
        _503="The PBX does not answer.",
    ),
)
async def click_to_call(agent: Agent, body: ClickRequest) -> Response:
    """Has the PBX ring an extension of this phone, which answers by itself, and connect it. The PBX records it."""
    return reply(
        await agent.click_to_call(
            body.destination,
            account=body.account,
            answer=body.answer,
            caller=body.caller,
            asked_only=body.asked_only,
            within_s=body.within_s,
            src_cid_number=body.src_cid_number,
            ignore_early=body.ignore_early,
        ),
        201,
    )
