"""Offer and answer over HTTP, as WHIP has it (RFC 9725), so that any WHIP client can be a handset.

POST /v1/whip with an offer (application/sdp, one audio stream, all candidates in it) opens a handset; `?call=c1` puts
it on that call, `&mode=listen` or `whisper` says how, `&take_over=true` lets go of the call's sound device. DELETE at
the place that the answer names ends it. Unlike RFC 9725 section 4.2 has it, sound goes both ways (sendrecv). There is
no trickle and no ICE restart, hence no PATCH (section 4.3).
"""

from __future__ import annotations

from typing import get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from softphone.engine.views import HandsetMode, HandsetView
from softphone.errors import SoftphoneError, UsageError
from softphone.listening.problems import BAD_REQUEST, METHOD
from softphone.web.api import PhoneApi
from softphone.web.door import Answer, Door
from softphone.web.problems import CONTENT_TYPE, Problem

SDP = "application/sdp"
PATH = "/v1/whip"
WITHOUT_PATCH = {"Allow": "DELETE, OPTIONS"}


def whip_routes(phone: PhoneApi, door: Door) -> list[Route]:
    """The endpoint, and the place of each session."""
    whip = Whip(phone, door)
    return [
        Route(PATH, whip.create, methods=["POST"]),
        Route(PATH, whip.options, methods=["OPTIONS"]),
        Route(PATH + "/{handset}", whip.delete, methods=["DELETE"]),
        Route(PATH + "/{handset}", whip.patch, methods=["PATCH"]),
        Route(PATH + "/{handset}", whip.options, methods=["OPTIONS"]),
    ]


class Whip:
    """The handlers."""

    def __init__(self, phone: PhoneApi, door: Door) -> None:
        self._phone, self._door = phone, door

    async def create(self, request: Request) -> Response:
        """201 with the answer, and its place in Location."""
        self._door.check(request)
        offer = _offer_in(request, await request.body())
        call, mode, take_over = _wish(request)
        if call is not None:
            self._phone.call(call)  # no key exchange for a call that is not there
        name = request.headers.get("user-agent", "")
        handset, answer = await self._phone.open_handset(offer, name=_printable(name))
        if call is not None:
            await self._attach(handset, call, mode, take_over)
        return Response(answer, 201, {"Location": f"{PATH}/{handset.id}"}, SDP)

    async def _attach(self, handset: HandsetView, call: str, mode: HandsetMode, take_over: bool) -> None:
        try:
            await self._phone.attach_handset(handset.id, call, mode, take_over=take_over)
        except SoftphoneError:
            await self._phone.close_handset(handset.id)
            raise

    async def delete(self, request: Request) -> Response:
        """200: the session is over."""
        self._door.check(request)
        await self._phone.close_handset(request.path_params["handset"])
        return Response(status_code=200)

    async def patch(self, request: Request) -> Response:
        """405: neither trickle nor ICE restart."""
        self._door.check(request)
        text = "all candidates belong into the offer: there is neither trickle ICE nor an ICE restart"
        return Problem(METHOD, text).response(headers=WITHOUT_PATCH)

    async def options(self, _: Request) -> Response:
        """What is taken here; and for pages of other origins that are allowed, that they may (CORS)."""
        headers = {
            "Accept-Post": SDP,
            "Access-Control-Allow-Methods": "POST, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": "600",
        }
        return Response(status_code=204, headers=headers)


def _offer_in(request: Request, body: bytes) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != SDP:
        raise Answer(Problem(CONTENT_TYPE, f"send the offer as {SDP}"))
    try:
        offer = body.decode()
    except UnicodeDecodeError:
        raise Answer(Problem(BAD_REQUEST, "the offer is not UTF-8 text")) from None
    if not offer.strip():
        raise Answer(Problem(BAD_REQUEST, "there is no offer in the request"))
    return offer


def _wish(request: Request) -> tuple[str | None, HandsetMode, bool]:
    given = request.query_params
    if unknown := sorted(set(given) - {"call", "mode", "take_over"}):
        raise UsageError(f"unknown parameter {unknown[0][:40]!r}; there are call, mode and take_over")
    mode = next((mode for mode in get_args(HandsetMode) if mode == given.get("mode", "talk")), None)
    if mode is None:
        raise UsageError(f"mode is one of {', '.join(get_args(HandsetMode))}")
    take_over = given.get("take_over", "false")
    if take_over not in ("true", "false"):
        raise UsageError("take_over is true or false")
    return given.get("call"), mode, take_over == "true"


def _printable(text: str) -> str:
    return "".join(each for each in text if each.isprintable())[:100]
