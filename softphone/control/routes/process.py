"""The process: status, health, readiness, devices, the PBX's API."""

from __future__ import annotations

from starlette.responses import Response

from softphone.control.models import DeviceTestRequest, Health
from softphone.control.problems import NOT_READY
from softphone.control.routes.base import BAD_BODY, Agent, problems, reply, router
from softphone.engine.views import AgentStatus, DeviceTestView, DeviceView, ProviderStatus
from softphone.listening.problems import Problem

routes = router("process")


@routes.get("/v1/status", response_model=AgentStatus, responses=problems())
async def get_status(agent: Agent) -> Response:
    """The phone as a whole, and what is wrong with it now."""
    return reply(agent.status())


@routes.get("/v1/devices", response_model=list[DeviceView], responses=problems())
async def list_devices(agent: Agent) -> Response:
    """The sound devices that a call's audio can be routed to."""
    return reply(list(agent.devices()))


@routes.post(
    "/v1/devices/test",
    response_model=DeviceTestView,
    responses=problems(**BAD_BODY | {"_422": "A wrong value, or a sound device that cannot be used."}),
)
async def test_device(agent: Agent, body: DeviceTestRequest) -> Response:
    """Tries a sound device: plays a chime on it, then listens to its microphone. Answers when that is done."""
    return reply(await agent.test_device(body.name, listen_s=body.listen_s))


@routes.post(
    "/v1/provider/refresh",
    response_model=ProviderStatus,
    responses=problems(
        _409="No account is pulled from the PBX's API.", _502="The API refused.", _503="The API does not answer."
    ),
)
async def refresh_provider(agent: Agent) -> Response:
    """Reads the extension list from the PBX's API now, and returns how that went."""
    return reply(await agent.refresh_provider())


@routes.get("/healthz", response_model=Health, responses=problems())
async def get_health() -> Response:
    """Whether the process lives: an answer says that its loop runs."""
    return reply(Health("ok"))


@routes.get(
    "/readyz", response_model=AgentStatus, responses=problems(_503="It is not ready; `problems` says why in words.")
)
async def get_readiness(agent: Agent) -> Response:
    """Whether the phone can do its work now."""
    status = agent.status()
    if status.ready:
        return reply(status)
    why = list(status.problems) or [f"the phone is {status.state}"]
    return Problem(NOT_READY, "; ".join(why), {"state": status.state, "problems": why}).response()
