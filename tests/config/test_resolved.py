"""From an entry to an account, and what a reload means."""

from dataclasses import asdict, replace

from softphone.config import Account, ResolvedAccount, Secret, diff, static_account
from softphone.config.accounts import AccountSettings


def entry(**keys: object) -> Account:
    base = {"username": "901", "password": Secret("pw"), "domain": "pbx.example.com"}
    return Account.model_validate({**base, **keys})


def resolved(**keys: object) -> ResolvedAccount:
    account = static_account(entry(**keys), 0)
    assert account is not None
    return account


def test_every_setting_is_carried_over() -> None:
    names = {name.rstrip("_") for name in AccountSettings.model_fields}
    assert names <= set(asdict(resolved()))
    changed = entry(transport="udp", expires_s=60, register=False, srtp="prefer", codecs=["gsm"], dtmf="info")
    account = static_account(changed, 3)
    assert account is not None
    for name in AccountSettings.model_fields:
        if name != "port":
            assert getattr(account, name.rstrip("_")) == getattr(changed, name)
    assert account.entry == 3


def test_defaults_that_depend_on_other_keys() -> None:
    assert (resolved().port, resolved(transport="tcp").port, resolved(port=7).port) == (5061, 5060, 7)
    assert resolved().auth_username == "901"
    assert resolved(auth_username="x").auth_username == "x"
    assert resolved().id == "901@pbx.example.com"


def test_a_pulled_entry_is_not_static() -> None:
    assert static_account(Account.model_validate({"extensions": ["1"]}), 0) is None


def test_the_password_is_not_shown() -> None:
    assert "pw" not in repr(resolved())
    assert "pw" not in repr(asdict(resolved()))


def test_diff() -> None:
    kept, gone, new = resolved(), resolved(username="1"), resolved(username="2")
    old = resolved(username="3")
    changed = replace(old, password=Secret("other"))
    difference = diff([kept, gone, old], [new, changed, replace(kept, entry=9)])
    assert difference.added == (new,)
    assert difference.changed == (changed,)
    assert difference.removed == (gone,)
    assert difference
    assert not diff([kept, gone], [gone, kept])
