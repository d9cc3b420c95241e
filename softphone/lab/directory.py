"""Who exists: tenants (domains) and their extensions, as the PBX's database would hold them."""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from softphone.errors import Conflict, NotFound

_ALPHABET = string.ascii_letters + string.digits


def random_password() -> str:
    """Eight letters and digits, as the PBX makes them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


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


class Directory:
    """All tenants of the PBX. The first one also answers to the lab's bare IP addresses."""

    def __init__(self, first: Tenant) -> None:
        self.first = first
        self._tenants = {first.domain: first}
        self._tokens: dict[str, set[str]] = {}

    def __iter__(self) -> Iterator[Tenant]:
        return iter(self._tenants.values())

    def add(self, tenant: Tenant) -> None:
        """Let the PBX serve another tenant."""
        self._tenants[tenant.domain] = tenant

    def allow(self, token: str, tenant: Tenant) -> None:
        """Let an API token read that tenant."""
        self._tokens.setdefault(token, set()).add(tenant.uuid)

    def token_known(self, token: str) -> bool:
        """Whether anybody issued this token."""
        return token in self._tokens

    def token_domains(self, token: str) -> set[str]:
        """The uuids of the domains that a token may read."""
        return self._tokens.get(token, set())

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
