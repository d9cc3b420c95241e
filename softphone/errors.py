"""Every error the phone raises on purpose.

    SoftphoneError
    ├── ConfigError         our own configuration (names file, line and key)
    ├── UsageError          the caller asked for something that makes no sense now
    │   ├── NotFound        no such call, account, device or file
    │   └── Conflict        it exists, but is in a state that forbids this
    ├── ProviderError       the hosted PBX's service (says which part of it, and what it answered)
    │   ├── ProviderDown    no answer, or not now: worth another try
    │   ├── ProviderRefused refused: do not try again unchanged
    │   │   ├── TokenRefused    the token, its routes or its domains
    │   │   ├── FieldsRefused   values of the request, by field
    │   │   │   └── SourceRefused   a call's source extension does not exist
    │   │   └── SwitchRefused   the switch said -ERR
    │   ├── OutcomeUnknown  it was sent, and nobody can say whether it was done
    │   │   └── OrderUnknown    the same of an order: carries what the lists show
    │   └── ProviderUnreadable  a message it sent by itself (event, webhook) makes no sense
    ├── SipError            the SIP side: carries status code and reason phrase
    └── MediaError          a sound file or sound device

The text of an error is for a person: what happened, to what, and what to do. What a program needs is in the
attributes. No error ever carries a secret.
"""

from __future__ import annotations

from collections.abc import Mapping


class SoftphoneError(Exception):
    """Base of all errors that the phone raises on purpose."""


class ConfigError(SoftphoneError):
    """The configuration is wrong. `line` counts from 1 and is None where no line can be named."""

    def __init__(self, message: str, *, file: str = "", line: int | None = None, key: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.key = key

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line is not None else "")
        return ": ".join(part for part in (place, self.key, self.message) if part)


class UsageError(SoftphoneError):
    """The request makes no sense as it stands."""


class NotFound(UsageError):
    """There is no such call, account, device or file."""


class Conflict(UsageError):
    """The thing exists, but its present state forbids the request."""


class ProviderError(SoftphoneError):
    """The hosted PBX's service failed.

    `status` is the HTTP status, None where there was no answer; `service` is the part that failed: `pbx`, `billing`,
    `auth`, `live` or `webhook`, '' where it does not matter.
    """

    def __init__(self, message: str, *, status: int | None = None, service: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.service = service


class ProviderDown(ProviderError):
    """No usable answer: the API is down, slow, or talks nonsense. Worth another try later."""


class ProviderRefused(ProviderError):
    """The API understood and refused; the same request will be refused again."""


class TokenRefused(ProviderRefused):
    """The token is unknown or expired, or may not use this route or this domain."""


class FieldsRefused(ProviderRefused):
    """Values of the request are wrong. `fields` has the service's text for each; `field` is the first of them."""

    def __init__(
        self, message: str, *, fields: Mapping[str, str], status: int | None = None, service: str = ""
    ) -> None:
        super().__init__(message, status=status, service=service)
        self.fields = dict(fields)
        self.field = next(iter(self.fields), "")


class SourceRefused(FieldsRefused):
    """The source extension of a call does not exist on this domain (`src invalid`)."""


class SwitchRefused(ProviderRefused):
    """The switch refused a call. `reply` is its own text, such as `-ERR USER_NOT_REGISTERED`."""

    def __init__(self, message: str, *, reply: str, status: int | None = None, service: str = "") -> None:
        super().__init__(message, status=status, service=service)
        self.reply = reply


class OutcomeUnknown(ProviderError):
    """A request was sent that must not be sent twice, and no clear answer came: it may or may not have been done."""


class OrderUnknown(OutcomeUnknown):
    """An order of unknown outcome, and what the service's lists show since.

    `appeared` are the entries that were not there before the order, `listed` all entries now; each is None where the
    list could not be read (before, or now). An entry that appeared need not be ours, and one that has not may yet
    come: orders are not provisioned at once.
    """

    def __init__(
        self,
        message: str,
        *,
        appeared: tuple[object, ...] | None = None,
        listed: tuple[object, ...] | None = None,
        status: int | None = None,
        service: str = "",
    ) -> None:
        super().__init__(message, status=status, service=service)
        self.appeared = appeared
        self.listed = listed


class ProviderUnreadable(ProviderError):
    """A message that the service sent by itself makes no sense. `place` names the field, '' for the whole."""

    def __init__(self, message: str, *, place: str = "", service: str = "") -> None:
        super().__init__(message, service=service)
        self.place = place


class SipError(SoftphoneError):
    """A SIP request failed. `code` is the SIP status (RFC 3261 section 21), 0 where there was no answer."""

    def __init__(self, message: str, *, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class MediaError(SoftphoneError):
    """A sound file cannot be read or written, or a sound device cannot be opened."""
