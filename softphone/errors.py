"""Every error the phone raises on purpose.

    SoftphoneError
    ├── ConfigError         our own configuration (names file, line and key)
    ├── UsageError          the caller asked for something that makes no sense now
    │   ├── NotFound        no such call, account, device or file
    │   └── Conflict        it exists, but is in a state that forbids this
    ├── ProviderError       the PBX's REST API (says what it answered)
    │   ├── ProviderDown    no answer, or not now: worth another try
    │   └── ProviderRefused token, route or request refused: do not try again unchanged
    ├── SipError            the SIP side: carries status code and reason phrase
    └── MediaError          a sound file or sound device

The text of an error is for a person: what happened, to what, and what to do. What a program needs is in the
attributes. No error ever carries a secret.
"""

from __future__ import annotations


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
    """The PBX's REST API failed. `status` is the HTTP status, None where there was no answer."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ProviderDown(ProviderError):
    """No usable answer: the API is down, slow, or talks nonsense. Worth another try later."""


class ProviderRefused(ProviderError):
    """The API understood and refused; the same request will be refused again."""


class SipError(SoftphoneError):
    """A SIP request failed. `code` is the SIP status (RFC 3261 section 21), 0 where there was no answer."""

    def __init__(self, message: str, *, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class MediaError(SoftphoneError):
    """A sound file cannot be read or written, or a sound device cannot be opened."""
