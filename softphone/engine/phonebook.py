"""Whose address is whose: what a trace asks of the engine."""

from __future__ import annotations

from collections.abc import Callable

from softphone.engine.accounts import Accounts
from softphone.engine.views import CallView
from softphone.errors import Conflict, NotFound


class Phonebook:
    """Answers, and never raises."""

    def __init__(self, accounts: Accounts, call: Callable[[str], CallView]) -> None:
        self._accounts, self._call = accounts, call

    def account_at(self, user: str, host: str) -> str:
        """The id of the account of this address; by the user name alone where the host is another, such as that of
        our own contact. '' if it is nobody's."""
        for name in (f"{user}@{host}", user) if user else ():
            try:
                return self._accounts.get(name).id
            except (NotFound, Conflict):
                continue
        return ""

    def sip_call_id(self, call: str) -> str:
        """The Call-ID of a call's present leg, '' if there is none."""
        try:
            return self._call(call).sip_call_id
        except NotFound:
            return ""
