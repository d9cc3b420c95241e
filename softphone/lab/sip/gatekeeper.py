"""Who may register and call: digest challenges answered as FreeSWITCH answers them."""

from __future__ import annotations

from collections.abc import Callable

from softphone.lab.directory import Directory, Extension, Tenant
from softphone.lab.faults import FaultPlan
from softphone.lab.sip.digest import Credentials, DigestAuthority, Verdict, parse_credentials
from softphone.lab.sip.transaction import ServerTransaction

Refused = Callable[[str, str, int, str], None]  # extension, domain, code, cause


class Gatekeeper:
    """Lets a request through, challenges it, or refuses it with 403."""

    def __init__(self, directory: Directory, authority: DigestAuthority, on_refused: Refused) -> None:
        self.authority = authority
        self.faults = FaultPlan()
        self._directory = directory
        self._on_refused = on_refused

    def admit(self, transaction: ServerTransaction, *, proxy: bool) -> Extension | None:
        """The extension that sent this request; None when it was answered already (401, 407 or 403).

        `proxy` says which pair of headers is used: 407 and Proxy-Authorization for calls, else 401.
        """
        request = transaction.request
        host = request.to_address.uri.host if not proxy else request.from_address.uri.host
        tenant = self._directory.by_host(host)
        realm = tenant.domain if tenant is not None else host
        values = request.headers.getlist("Proxy-Authorization" if proxy else "Authorization")
        credentials = _for_realm(values, realm)
        if credentials is None:
            if values:
                self._refuse(transaction, request.from_address.uri.user or "", realm, "other realm or bad syntax")
            else:
                self._challenge(transaction, realm, proxy)
            return None
        return self._judge(transaction, credentials, tenant, proxy)

    def _judge(
        self, transaction: ServerTransaction, credentials: Credentials, tenant: Tenant | None, proxy: bool
    ) -> Extension | None:
        extension = tenant.extensions.get(credentials.username) if tenant is not None else None
        if tenant is None or extension is None:
            self._refuse(transaction, credentials.username, credentials.get("realm"), "no such extension")
            return None
        verdict = self.authority.verify(
            credentials,
            method=transaction.request.method,
            realm=tenant.domain,
            password=extension.password,
        )
        if verdict is Verdict.STALE or self._nonce_is_disliked(verdict, extension):
            self._challenge(transaction, tenant.domain, proxy, stale=True)
        elif verdict is Verdict.WRONG:
            self._refuse(transaction, extension.number, tenant.domain, "wrong password")
        elif not extension.enabled:
            self._refuse(transaction, extension.number, tenant.domain, "disabled")
        else:
            return extension
        return None

    def _nonce_is_disliked(self, verdict: Verdict, extension: Extension) -> bool:
        """A fault: the answer is right, and asked for again all the same."""
        return (
            verdict is Verdict.GOOD and self.faults.strikes("sip", ("wrong_nonce",), path=extension.number) is not None
        )

    def _challenge(self, transaction: ServerTransaction, realm: str, proxy: bool, *, stale: bool = False) -> None:
        name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        challenges = self.authority.challenges(realm, stale=stale)
        transaction.respond(407 if proxy else 401, headers=[(name, value) for value in challenges])

    def _refuse(self, transaction: ServerTransaction, extension: str, domain: str, cause: str) -> None:
        """FreeSWITCH tells nobody why: 403, whatever was wrong."""
        transaction.respond(403)
        self._on_refused(extension, domain, 403, cause)


def _for_realm(values: list[str], realm: str) -> Credentials | None:
    """The credentials meant for us; a phone that knows several realms sends one header for each."""
    for value in values:
        try:
            credentials = parse_credentials(value)
        except ValueError:
            continue
        if credentials.get("realm") == realm:
            return credentials
    return None
