"""Accounts: what they are, how they fare, register and unregister."""

from __future__ import annotations

from starlette.responses import Response

from softphone.control.models import DndRequest
from softphone.control.routes.base import BAD_BODY, NO_ACCOUNT, AccountId, Agent, problems, reply, router
from softphone.engine.views import AccountView

routes = router("accounts")


@routes.get("/v1/accounts", response_model=list[AccountView], responses=problems())
async def list_accounts(agent: Agent) -> Response:
    """All accounts."""
    return reply(list(agent.accounts()))


@routes.get("/v1/accounts/{id}", response_model=AccountView, responses=problems(**NO_ACCOUNT))
async def get_account(agent: Agent, account_id: AccountId) -> Response:
    """One account."""
    return reply(agent.account(account_id))


@routes.post(
    "/v1/accounts/{id}/register", status_code=202, response_model=AccountView, responses=problems(**NO_ACCOUNT)
)
async def register_account(agent: Agent, account_id: AccountId) -> Response:
    """Registers now. `account.registered` or `account.failed` says how it went."""
    agent.register(account_id)
    return reply(agent.account(account_id), 202)


@routes.post(
    "/v1/accounts/{id}/unregister", status_code=202, response_model=AccountView, responses=problems(**NO_ACCOUNT)
)
async def unregister_account(agent: Agent, account_id: AccountId) -> Response:
    """Unregisters, and leaves it at that until it is told to register. `account.unregistered` says that it is done."""
    agent.unregister(account_id)
    return reply(agent.account(account_id), 202)


@routes.post("/v1/accounts/{id}/dnd", response_model=AccountView, responses=problems(**NO_ACCOUNT, **BAD_BODY))
async def set_dnd(agent: Agent, account_id: AccountId, body: DndRequest) -> Response:
    """Do not disturb: refuses callers, or lets them ring again."""
    agent.set_dnd(account_id, body.on)
    return reply(agent.account(account_id))
