"""Configuration entries + the PBX's extensions -> the accounts that this phone is. Pure, but for `fetch`.

Every extension that was asked for ends up either as an account or in `skipped` with the reason; nothing vanishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, Protocol

from softphone.config.accounts import Account
from softphone.config.resolved import ResolvedAccount, static_account, with_settings
from softphone.config.types import Shard
from softphone.kavkom.models import Extension, ExtensionList

ALL = ""
_SINGLE_SEARCHES = 3

Fetched = Mapping[str, ExtensionList]
"""What the PBX listed for each search text; `ALL` is the list without a search."""

Why = Literal["disabled", "missing", "no_password", "duplicate", "not_fetched"]


@dataclass(frozen=True)
class Skipped:
    """An extension that is no account, and why. `id` is `901@domain`, or `901` where the PBX does not know it."""

    id: str
    entry: int
    why: Why
    text: str


@dataclass(frozen=True)
class Selection:
    """`accounts` in the order of the entries. `problems` are the PBX's records that could not be used."""

    accounts: tuple[ResolvedAccount, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    problems: tuple[str, ...] = ()


class ExtensionSource(Protocol):
    """What `fetch` needs of the PBX client."""

    async def extensions(self, *, search: str = ...) -> ExtensionList: ...


def searches(accounts: Iterable[Account]) -> tuple[str, ...]:
    """The lists that these entries need, each once.

    A few named extensions are searched one by one, so that the passwords of all others are not even sent; for
    many of them the whole list takes fewer requests.
    """
    named = {name for account in accounts for name in account.extensions or ()}
    texts = {account.select.search for account in accounts if account.select is not None}
    if named and (len(named) > _SINGLE_SEARCHES or ALL in texts):
        texts.add(ALL)
    else:
        texts |= named
    return tuple(sorted(texts))


async def fetch(pbx: ExtensionSource, accounts: Sequence[Account]) -> Fetched:
    """Reads what `resolve` needs. Raises ProviderDown or ProviderRefused; then nothing is known anew."""
    return {text: await pbx.extensions(search=text) for text in searches(accounts)}


def resolve(accounts: Sequence[Account], fetched: Fetched | None) -> Selection:
    """Who this phone is. `fetched` None: the PBX was not reached yet, and only static accounts exist."""
    found: dict[str, ResolvedAccount] = {}
    skipped: list[Skipped] = []
    for index, entry in enumerate(accounts):
        for item in _candidates(entry, index, fetched):
            if isinstance(item, Skipped):
                skipped.append(item)
            elif item.id in found:
                skipped.append(_duplicate(item, found[item.id]))
            else:
                found[item.id] = item
    problems = dict.fromkeys(problem for listed in (fetched or {}).values() for problem in listed.problems)
    return Selection(tuple(found.values()), tuple(skipped), tuple(problems))


def _candidates(entry: Account, index: int, fetched: Fetched | None) -> Iterator[ResolvedAccount | Skipped]:
    if (static := static_account(entry, index)) is not None:
        yield static
    elif fetched is None:
        names = ", ".join(entry.extensions or ()) or "the selected extensions"
        yield Skipped(names, index, "not_fetched", f"{names}: waiting for the PBX's extension list")
    elif entry.extensions is not None:
        yield from _named(entry, index, entry.extensions, fetched)
    elif entry.select is not None:
        yield from _selected(entry, index, fetched.get(entry.select.search, ExtensionList()), entry.select.shard)


def _named(entry: Account, index: int, names: Sequence[str], fetched: Fetched) -> Iterator[ResolvedAccount | Skipped]:
    by_name: dict[str, list[Extension]] = {}
    for extension in {ext.id: ext for listed in fetched.values() for ext in listed.extensions}.values():
        by_name.setdefault(extension.extension, []).append(extension)
    for name in names:
        if name not in by_name:
            text = f"extension {name} is not in the PBX's list; check its number and provider.domain_uuid"
            yield Skipped(name, index, "missing", text)
        for extension in by_name.get(name, ()):
            yield _account(entry, index, extension)


def _selected(
    entry: Account, index: int, listed: ExtensionList, shard: Shard | None
) -> Iterator[ResolvedAccount | Skipped]:
    for extension in listed.extensions:
        if shard is None or owner_of(extension.id, shard.count) == shard.index:
            yield _account(entry, index, extension)


def _account(entry: Account, index: int, extension: Extension) -> ResolvedAccount | Skipped:
    if not extension.enabled:
        state = "disabled" if extension.enabled is False else "not marked as enabled"
        text = f"extension {extension.id} is {state} in the PBX; enable it there, then refresh"
        return Skipped(extension.id, index, "disabled", text)
    if extension.password is None:
        text = f"the PBX sent no password for extension {extension.id}; check the token's authorised routes"
        return Skipped(extension.id, index, "no_password", text)
    return with_settings(
        entry,
        username=extension.extension,
        domain=extension.user_context,
        password=extension.password,
        origin="provider",
        entry=index,
    )


def _duplicate(second: ResolvedAccount, first: ResolvedAccount) -> Skipped:
    text = f"{second.id} is already an account by accounts[{first.entry}], which comes first and stays"
    return Skipped(second.id, second.entry, "duplicate", text)


def owner_of(account_id: str, count: int) -> int:
    """Which of `count` instances (from 1) an account belongs to, by rendezvous hashing.

    Every instance computes the same answer alone; one instance more or less moves only the accounts that must move.
    """
    return max(range(1, count + 1), key=lambda index: (_weight(account_id, index), index))


def _weight(account_id: str, index: int) -> bytes:
    return blake2b(f"{index}:{account_id}".encode(), digest_size=8).digest()
