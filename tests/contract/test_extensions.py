"""The extension lists. Nothing is changed."""

from __future__ import annotations

import uuid

import pytest

from softphone.config import Provider, Secret
from softphone.errors import ProviderRefused, TokenRefused
from softphone.kavkom import ExtensionList, PbxApi
from tests.contract.account import run


async def everything(provider: Provider, **query: object) -> ExtensionList:
    async with PbxApi.of(provider) as pbx:
        return await pbx.extensions(**query)  # type: ignore[arg-type]


def names(listed: ExtensionList) -> list[str]:
    return [each.extension for each in listed.extensions]


def test_every_record_has_what_a_phone_needs(provider: Provider) -> None:
    listed = run(everything(provider))
    assert (listed.problems, listed.complete) == ((), True)
    assert listed.extensions
    for each in listed.extensions:
        assert uuid.UUID(each.extension_uuid)
        assert each.domain_uuid == provider.domain_uuid
        assert each.user_context
        assert each.enabled is not None
        assert each.password is not None


def test_pages_together_are_the_list(provider: Provider) -> None:
    async def paged() -> ExtensionList:
        async with PbxApi.of(provider.model_copy(update={"page_size": 2})) as pbx:
            return await pbx.extensions()

    assert sorted(names(run(paged()))) == sorted(names(run(everything(provider))))


def test_a_page_is_as_long_as_asked_for_and_the_last_one_is_short(provider: Provider) -> None:
    async def pages() -> list[int]:
        async with PbxApi.of(provider) as pbx:
            return [len((await pbx.extensions_page(page, limit=1)).extensions) for page in (1, count, count + 1)]

    count = len(run(everything(provider)).extensions)
    assert run(pages()) == [1, 1, 0]


def test_a_page_without_a_limit_has_fifteen_at_most(provider: Provider) -> None:
    async def page() -> ExtensionList:
        async with PbxApi.of(provider) as pbx:
            return await pbx.extensions_page()

    assert len(run(page()).extensions) == min(15, len(run(everything(provider)).extensions))


def test_the_order(provider: Provider) -> None:
    up = names(run(everything(provider)))
    assert up == sorted(up)
    assert names(run(everything(provider, descending=True))) == up[::-1]


@pytest.mark.parametrize("column", ["effective_caller_id_number", "outbound_caller_id_name", "description"])
def test_every_column_sorts(provider: Provider, column: str) -> None:
    assert sorted(names(run(everything(provider, sort=column)))) == sorted(names(run(everything(provider))))


def test_a_search_finds_the_extension(provider: Provider) -> None:
    one = names(run(everything(provider)))[0]
    assert one in names(run(everything(provider, search=one)))
    assert names(run(everything(provider, search="no-such-extension-anywhere"))) == []


@pytest.mark.parametrize("with_user", [True, False])
def test_linked_users_may_be_asked_for(provider: Provider, with_user: bool) -> None:
    assert names(run(everything(provider, with_user=with_user))) == names(run(everything(provider)))


def test_the_lightweight_list_names_the_same_extensions(provider: Provider) -> None:
    async def limited() -> ExtensionList:
        async with PbxApi.of(provider) as pbx:
            return await pbx.extensions_limited()

    assert sorted(names(run(limited()))) == sorted(names(run(everything(provider))))


def test_a_wrong_token_is_refused_as_such(provider: Provider) -> None:
    wrong = provider.model_copy(update={"token": Secret("not-a-token-of-anybody")})
    with pytest.raises(TokenRefused):
        run(everything(wrong))


def test_a_foreign_domain_is_refused(provider: Provider) -> None:
    foreign = provider.model_copy(update={"domain_uuid": str(uuid.uuid4())})
    with pytest.raises(ProviderRefused):
        run(everything(foreign))
