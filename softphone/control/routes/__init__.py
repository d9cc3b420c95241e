"""The resources, one module each. Handlers call the agent and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from softphone.control.routes import (
    accounts,
    callcontrol,
    calls,
    collecting,
    conferences,
    events,
    expected,
    handsets,
    media,
    process,
    timeline,
    trace,
)

ROUTES: Sequence[BaseRoute] = tuple(
    route
    for module in (
        process,
        accounts,
        calls,
        expected,
        callcontrol,
        conferences,
        handsets,
        media,
        collecting,
        timeline,
        trace,
        events,
    )
    for route in module.routes.routes
)
