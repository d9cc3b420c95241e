"""What can be asked of the store; apart from it, so that who asks loads no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from softphone.errors import SoftphoneError


class StoreFailed(SoftphoneError):
    """The file cannot be read or written; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which timelines are wanted, the newest first. Texts that are empty and values that are None do not matter.

    number: the end of the far end's number, or a name. difference: a kind, or `any`. before: `next` of a page.
    """

    account: str = ""
    extension: str = ""
    direction: Literal["", "in", "out"] = ""
    number: str = ""
    state: Literal["", "open", "closed"] = ""
    difference: str = ""
    complete: bool | None = None
    since_s: float | None = None
    until_s: float | None = None
    before: str = ""
    limit: int = 50
