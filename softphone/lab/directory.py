"""Who exists: tenants (domains) and their extensions, as the PBX's database would hold them."""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from softphone.errors import Conflict, NotFound
from softphone.lab.service_options import TenantOptions, WebhookOptions

_ALPHABET = string.ascii_letters + string.digits


def random_password() -> str:
    """Eight letters and digits, as the PBX makes them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


def random_token() -> str:
    """An API token, as the PBX makes them."""
    return secrets.token_hex(16)


@dataclass
class Extension:
    """One line of a tenant. `enabled` False means: listed by the API as "false", refused by the registrar."""

    number: str
    domain: str
    domain_uuid: str
    password: str = field(default_factory=random_password, repr=False)
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    user_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    enabled: bool = True
    name: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or f"Extension {self.number}"

    @property
    def aor(self) -> str:
        """The address of record, without the scheme: `901@pbx.lab.test`."""
        return f"{self.number}@{self.domain}"


@dataclass
class Tenant:
    """One customer's domain: its name is `user_context`, SIP realm and registrar at once."""

    domain: str
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    extensions: dict[str, Extension] = field(default_factory=dict)
    dids: dict[str, str] = field(default_factory=dict)  # number in digits only (33199000001) -> extension
    user_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))  # its administrator
    api_token: str = field(default_factory=random_token, repr=False)
    refresh_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    webhook: WebhookOptions | None = None

    def add(self, number: str, *, password: str = "", enabled: bool = True) -> Extension:
        """Make a new extension. Raises Conflict if the number is taken."""
        if number in self.extensions:
            raise Conflict(f"extension {number} exists already in {self.domain}")
        extension = Extension(number, self.domain, self.uuid, password=password or random_password(), enabled=enabled)
        self.extensions[number] = extension
        return extension

    def get(self, number: str) -> Extension:
        """The extension of that number. Raises NotFound."""
        try:
            return self.extensions[number]
        except KeyError:
            raise NotFound(f"no extension {number} in {self.domain}") from None

    def users(self) -> set[str]:
        """The uuids of everybody who may ask for access tokens."""
        return {self.user_uuid, *(each.user_uuid for each in self.extensions.values())}

    def free_number(self, first: int) -> str:
        """The lowest number from `first` on that no extension has."""
        number = first
        while str(number) in self.extensions:
            number += 1
        return str(number)


def make_tenant(options: TenantOptions) -> Tenant:
    """A tenant with its extensions; what the options leave empty is made up."""
    tenant = Tenant(options.domain.lower(), webhook=options.webhook)
    tenant.uuid = options.uuid.lower() or tenant.uuid
    tenant.user_uuid = options.user_uuid.lower() or tenant.user_uuid
    tenant.api_token = options.api_token or tenant.api_token
    tenant.refresh_token = options.refresh_token or tenant.refresh_token
    for numbers, enabled in ((options.extensions, True), (options.disabled, False)):
        for number in numbers:
            tenant.add(number, password=options.passwords.get(number, ""), enabled=enabled)
    return tenant


@dataclass
class ApiToken:
    """What an API token may do: in which domains, and on which routes (None: all). See admission.ROUTES."""

    domains: set[str] = field(default_factory=set)
    routes: frozenset[str] | None = None


class Directory:
    """All tenants of the PBX. The first one also answers to the lab's bare IP addresses."""

    def __init__(self, first: Tenant) -> None:
        self.first = first
        self._tenants = {first.domain: first}
        self._tokens: dict[str, ApiToken] = {}
        self.allow(first.api_token, first)

    def __iter__(self) -> Iterator[Tenant]:
        return iter(self._tenants.values())

    def add(self, tenant: Tenant) -> None:
        """Let the PBX serve another tenant, with the API token that it brings. Raises Conflict."""
        if tenant.domain in self._tenants:
            raise Conflict(f"there is a tenant {tenant.domain} already")
        if self.by_uuid(tenant.uuid) is not None:
            raise Conflict(f"there is a tenant with the domain_uuid {tenant.uuid} already")
        self._tenants[tenant.domain] = tenant
        self.allow(tenant.api_token, tenant)

    def remove(self, tenant: Tenant) -> None:
        """Serve a tenant no more. Raises Conflict for the first one."""
        if tenant is self.first:
            raise Conflict(f"{tenant.domain} is the lab's first tenant and stays")
        del self._tenants[tenant.domain]
        for token in self._tokens.values():
            token.domains.discard(tenant.uuid)

    def tenant(self, domain: str) -> Tenant:
        """The tenant of that domain. Raises NotFound."""
        try:
            return self._tenants[domain.lower()]
        except KeyError:
            raise NotFound(f"the lab has no tenant {domain}; it has {', '.join(self._tenants)}") from None

    def find(self, domain: str) -> Tenant | None:
        """The tenant of exactly that domain."""
        return self._tenants.get(domain.lower())

    def allow(self, token: str, tenant: Tenant, routes: Iterable[str] | None = None) -> None:
        """Let an API token work on that tenant; `routes` None means on every route."""
        entry = self._tokens.setdefault(token, ApiToken())
        entry.domains.add(tenant.uuid)
        entry.routes = frozenset(routes) if routes is not None else None

    def revoke(self, token: str) -> None:
        """Forget an API token."""
        self._tokens.pop(token, None)

    def token(self, token: str) -> ApiToken | None:
        """What a token may do; None if nobody issued it."""
        return self._tokens.get(token)

    def by_uuid(self, domain_uuid: str) -> Tenant | None:
        """The tenant of that domain_uuid."""
        return next((tenant for tenant in self if tenant.uuid == domain_uuid.lower()), None)

    def callee(self, tenant: Tenant | None, number: str) -> Extension | None:
        """Whose telephone a number of that tenant is: one of its extensions, or the owner of a DID of any tenant."""
        if tenant is not None and number in tenant.extensions:
            return tenant.extensions[number]
        return self.by_did(number)

    def by_did(self, number: str) -> Extension | None:
        """The extension that a DID is routed to; +33..., 0033... and 33... are the same number."""
        digits = number.removeprefix("+").removeprefix("00")
        for tenant in self:
            if digits in tenant.dids:
                return tenant.extensions.get(tenant.dids[digits])
        return None

    def is_domain(self, host: str) -> bool:
        """Whether this is a tenant's own name, and not just an address of the lab."""
        return host.lower().rstrip(".") in self._tenants

    def by_host(self, host: str) -> Tenant | None:
        """The tenant that a SIP host name means. A bare IP address or `localhost` means the first one."""
        name = host.lower().rstrip(".")
        if name in self._tenants:
            return self._tenants[name]
        is_address = name.startswith("[") or name.replace(".", "").isdigit()
        return self.first if is_address or name == "localhost" else None
