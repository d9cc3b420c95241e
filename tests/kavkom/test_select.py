"""Which extensions become accounts, which do not and why, and how instances share them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.config import Account, Secret, diff
from softphone.kavkom import Extension, ExtensionList, Selection, fetch, resolve, searches
from softphone.kavkom.models import parse_extension
from softphone.kavkom.select import ALL, owner_of
from tests.kavkom.answers import PASSWORD, listing, pbx, record


def entry(**keys: Any) -> Account:
    return Account.model_validate(keys)


def static(name: str, domain: str = "client.kavkom.com", **keys: Any) -> Account:
    return entry(username=name, password=Secret("pw"), domain=domain, **keys)


def extensions(*names: str, **fields: Any) -> tuple[Extension, ...]:
    return tuple(parse_extension(record(name, **fields)) for name in names)


def chosen(accounts: Sequence[Account], *found: Extension) -> Selection:
    """The selection when every list that is needed holds all of `found`."""
    listed = ExtensionList(found)
    return resolve(accounts, dict.fromkeys(searches(accounts), listed))


def ids(selection: Selection) -> list[str]:
    return [account.id for account in selection.accounts]


def reasons(selection: Selection) -> list[tuple[str, str, int]]:
    return [(skipped.id, skipped.why, skipped.entry) for skipped in selection.skipped]


def test_the_mapping_of_the_documentation() -> None:
    (account,) = chosen([entry(extensions=["901"], transport="udp", max_calls=3)], *extensions("901", "902")).accounts
    assert (account.username, account.auth_username) == ("901", "901")
    assert account.domain == "client.kavkom.com"
    assert account.password.reveal() == PASSWORD
    assert (account.transport, account.port, account.max_calls) == ("udp", 5060, 3)
    assert account.origin == "provider"


def test_a_missing_extension_is_reported() -> None:
    selection = chosen([entry(extensions=["901", "955"])], *extensions("901"))
    assert ids(selection) == ["901@client.kavkom.com"]
    assert reasons(selection) == [("955", "missing", 0)]
    assert "provider.domain_uuid" in selection.skipped[0].text


@pytest.mark.parametrize(
    ("enabled", "word"), [("false", "is disabled"), (0, "is disabled"), (None, "not marked as enabled")]
)
def test_only_enabled_extensions(enabled: object, word: str) -> None:
    for account in (entry(extensions=["901"]), entry(select={})):
        selection = chosen([account], *extensions("901", enabled=enabled))
        assert not selection.accounts
        assert reasons(selection) == [("901@client.kavkom.com", "disabled", 0)]
        assert word in selection.skipped[0].text


def test_an_extension_without_password() -> None:
    assert reasons(chosen([entry(select={})], *extensions("901", password=None))) == [
        ("901@client.kavkom.com", "no_password", 0)
    ]


def test_the_first_entry_wins() -> None:
    accounts = [static("901", expires_s=60), entry(extensions=["902"], expires_s=70), entry(select={}, expires_s=80)]
    selection = chosen(accounts, *extensions("901", "902", "903"))
    assert [(account.username, account.expires_s) for account in selection.accounts] == [
        ("901", 60),
        ("902", 70),
        ("903", 80),
    ]
    assert reasons(selection) == [
        ("901@client.kavkom.com", "duplicate", 2),
        ("902@client.kavkom.com", "duplicate", 2),
    ]
    assert "accounts[1]" in selection.skipped[1].text


def test_the_same_extension_of_two_domains() -> None:
    both = (*extensions("901"), *extensions("901", user_context="b.example", extension_uuid="other"))
    assert ids(chosen([entry(extensions=["901"])], *both)) == ["901@client.kavkom.com", "901@b.example"]


def test_before_the_pbx_was_reached_only_static_accounts_exist() -> None:
    selection = resolve([static("12"), entry(extensions=["901"]), entry(select={})], None)
    assert ids(selection) == ["12@client.kavkom.com"]
    assert [skipped.why for skipped in selection.skipped] == ["not_fetched", "not_fetched"]


def test_bad_records_are_passed_on_once() -> None:
    listed = ExtensionList(extensions("901"), ("record 2: is not an object",))
    selection = resolve([entry(select={"search": "a"}), entry(select={"search": "b"})], {"a": listed, "b": listed})
    assert selection.problems == ("record 2: is not an object",)


@pytest.mark.parametrize(
    ("accounts", "texts"),
    [
        ([], ()),
        ([static("1")], ()),
        ([entry(extensions=["901"])], ("901",)),
        ([entry(extensions=["901", "902"]), entry(extensions=["903"])], ("901", "902", "903")),
        ([entry(extensions=["1", "2", "3", "4"])], (ALL,)),
        ([entry(extensions=["901"]), entry(select={})], (ALL,)),
        ([entry(extensions=["901"]), entry(select={"search": "Door"})], ("901", "Door")),
        ([entry(select={"search": "Door"}), entry(select={"search": "Door", "shard": "1/2"})], ("Door",)),
    ],
)
def test_what_is_asked_of_the_pbx(accounts: list[Account], texts: tuple[str, ...]) -> None:
    assert searches(accounts) == texts


def test_from_entries_to_accounts_through_the_client() -> None:
    accounts = [entry(extensions=["901", "903"]), static("12")]

    async def run() -> Selection:
        async with pbx(listing([record("901"), record("902"), record("903")])) as api:
            return resolve(accounts, await fetch(api, accounts))

    assert ids(asyncio.run(run())) == ["901@client.kavkom.com", "903@client.kavkom.com", "12@client.kavkom.com"]


def test_a_new_password_is_a_change() -> None:
    accounts = [entry(extensions=["901", "902"])]
    old = chosen(accounts, *extensions("901", "902"))
    new = chosen(accounts, *extensions("901"), *extensions("902", password="new"))
    assert [account.username for account in diff(old.accounts, new.accounts).changed] == ["902"]


def test_shards_share_everything_and_nothing_twice() -> None:
    names = [str(number) for number in range(1000, 2000)]
    found = extensions(*names)
    parts = [ids(chosen([entry(select={"shard": f"{index}/5"})], *found)) for index in range(1, 6)]
    assert Counter(name for part in parts for name in part) == Counter(extension.id for extension in found)
    assert all(150 < len(part) < 250 for part in parts)


def test_one_instance_more_moves_only_what_it_takes() -> None:
    names = [f"{number}@pbx.example" for number in range(2000)]
    moved = [(owner_of(name, 5), owner_of(name, 6)) for name in names if owner_of(name, 5) != owner_of(name, 6)]
    assert all(new == 6 for _, new in moved)
    assert 250 < len(moved) < 420


def test_owners_are_the_same_on_every_machine_and_version() -> None:
    assert [owner_of(f"90{digit}@pbx.example", 4) for digit in range(8)] == [2, 3, 2, 3, 3, 2, 4, 2]


@given(st.text(max_size=30), st.integers(min_value=1, max_value=40))
def test_everything_has_an_owner(name: str, count: int) -> None:
    assert 1 <= owner_of(name, count) <= count
