"""The small value types that the model is made of, each with the error text a person needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic import ValidationInfo as Info

from softphone.addresses import HostPort
from softphone.config.secrets import Context
from softphone.errors import UsageError

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
_USER = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,%-]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_SHARD = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")
_OCTAL = re.compile(r"0?[0-7]{3}")


class Strict(BaseModel):
    """Base of every part of the configuration: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        coerce_numbers_to_str=True,
        validate_default=True,
        populate_by_name=True,
        hide_input_in_errors=True,  # a secret in the wrong place must not come back in an error
    )


def is_host(text: str) -> bool:
    """Whether `text` is a host name or an IP address that is safe in a URI (IPv6 without brackets)."""
    return bool(_HOST.fullmatch(text)) or _is_address(text)


def is_sip_user(text: str) -> bool:
    """Whether `text` can stand before the @ of a SIP URI as it is (RFC 3261 section 25.1, less `;?/`)."""
    return bool(_USER.fullmatch(text))


def _is_address(text: str) -> bool:
    if "%" in text:  # a link-local scope has no place in a URI
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _host(value: str) -> str:
    if not is_host(value):
        raise ValueError(f"expected a host name or an IP address, got {value!r}")
    return value.lower().removesuffix(".")


def _address(value: str) -> str:
    if not _is_address(value):
        raise ValueError(f"expected an IP address such as 0.0.0.0, 192.0.2.7 or ::, got {value!r}")
    return value


def _bind(value: object) -> object:
    """One address stands for a list of one."""
    places = value if isinstance(value, list | tuple) and value else (value,)
    addresses = [_address(str(place)) for place in places]
    if len({":" in address for address in addresses}) < len(addresses):
        raise ValueError("expected at most one IPv4 and one IPv6 address")
    return tuple(addresses)


def _user(value: str) -> str:
    if not is_sip_user(value):
        raise ValueError(f"expected a SIP user name such as 901 (1 to 64 characters, no spaces), got {value!r}")
    return value


def _line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("expected one line of text without control characters")
    return value


Host = Annotated[str, AfterValidator(_host)]
Address = Annotated[str, AfterValidator(_address)]
BindAddresses = Annotated[
    tuple[str, ...],
    BeforeValidator(_bind),
    PlainSerializer(lambda addresses: addresses[0] if len(addresses) == 1 else list(addresses)),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
SipUser = Annotated[str, AfterValidator(_user)]
Line = Annotated[str, Field(max_length=512), AfterValidator(_line)]
PortNumber = Annotated[int, Field(strict=True, ge=1, le=65535)]
LocalPort = Annotated[int, Field(strict=True, ge=0, le=65535)]
Seconds = Annotated[float, Field(strict=True, gt=0, le=86_400 * 7, allow_inf_nan=False)]
GainDb = Annotated[float, Field(strict=True, ge=-30, le=20, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(strict=True, ge=0, le=86_400 * 7, allow_inf_nan=False)]


def _host_port(value: object) -> object:
    if isinstance(value, HostPort):
        return value
    place = _parsed(value) if isinstance(value, str) else None
    if place is None or not is_host(place.host):
        wanted = "expected host or host:port, such as sip.example.com:5061 or [::1]:5061"
        raise ValueError(f"{wanted}, got {value!r}" if isinstance(value, str) else wanted)
    return HostPort(place.host.lower(), place.port)


def _host_ports(value: object) -> object:
    """One place stands for a list of one."""
    if value is None:
        return ()
    if value == [] or not isinstance(value, list | tuple):
        value = (value,)
    places = [_host_port(each) for each in value]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise ValueError(f"listed twice: {twice}")
    return tuple(places)


def _one_or_list(places: tuple[HostPort, ...]) -> str | list[str] | None:
    texts = [str(place) for place in places]
    return texts if len(texts) > 1 else next(iter(texts), None)


def _parsed(text: str) -> HostPort | None:
    try:
        place = HostPort.parse(text)
    except UsageError:
        return None
    bracketed = text.strip().startswith("[")
    return place if bracketed == (":" in place.host) else None


@dataclass(frozen=True)
class Shard:
    """This instance's part of a shared account list: `index` of `count`, counting from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`"2/5"`; raises ValueError with a text for people."""
        match = _SHARD.fullmatch(text.strip())
        if match is None:
            raise ValueError(f'expected a part such as "2/5" (the second of five instances), got {text!r}')
        index, count = int(match[1]), int(match[2])
        if not 1 <= index <= count:
            raise ValueError(f"parts count from 1: expected 1/{count} to {count}/{count}, got {text!r}")
        return cls(index, count)


def _shard(value: object) -> object:
    if isinstance(value, Shard):
        return value
    if not isinstance(value, str):
        raise ValueError('expected a part such as "2/5" as text')
    return Shard.parse(value)


HostPortField = Annotated[
    HostPort, BeforeValidator(_host_port), PlainSerializer(str), WithJsonSchema({"type": "string"})
]
HostPorts = Annotated[
    tuple[HostPort, ...],
    BeforeValidator(_host_ports),
    PlainSerializer(_one_or_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]}),
]
ShardField = Annotated[
    Shard,
    BeforeValidator(_shard),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": f"^{_SHARD.pattern}$"}),
]


def _from_base(value: Path, info: Info) -> Path:
    context = info.context if isinstance(info.context, Context) else Context()
    return context.base / value.expanduser()


def _existing(value: Path, info: Info) -> Path:
    path = _from_base(value, info)
    context = info.context if isinstance(info.context, Context) else Context()
    if not context.check_files:
        return path
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


# Relative paths start from the folder of the configuration file
ConfigPath = Annotated[Path, AfterValidator(_from_base)]
ExistingFile = Annotated[Path, AfterValidator(_existing)]


def _mode(value: object) -> object:
    text = str(value)
    if not _OCTAL.fullmatch(text):
        raise ValueError(f'expected an octal file mode such as "0660", got {text!r}')
    if int(text, 8) & 0o007:
        raise ValueError(f"mode {text} lets every user of the machine use the phone; end it with 0")
    return text.zfill(4)


FileMode = Annotated[str, BeforeValidator(_mode), WithJsonSchema({"type": "string", "pattern": f"^{_OCTAL.pattern}$"})]


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"expected a SIP header name such as X-Customer, got {value!r}")
    if value.lower() in _RESERVED:
        raise ValueError(f"{value} is written by the phone itself and cannot be set here")
    return value


_RESERVED = frozenset(
    "from to via call-id cseq contact content-length content-type max-forwards route record-route authorization"
    " proxy-authorization require supported allow expires f t v i m l c k".split()
)
HeaderName = Annotated[str, AfterValidator(_header_name)]


def _url_path(text: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*", text):
        raise ValueError("expected a path that begins with a slash, such as /ws")
    return text


UrlPath = Annotated[str, AfterValidator(_url_path)]
