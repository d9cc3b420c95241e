"""The PBX's REST API: reachable, token accepted, extensions there; and what its clock says of ours."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx

from softphone.cli.doctor.findings import NETWORK_LIMIT_S, Area, Finding
from softphone.errors import ConfigError, ProviderError, ProviderRefused
from softphone.kavkom import Fetched, PbxApi, Retry, Selection, fetch, resolve

if TYPE_CHECKING:
    from softphone.config import Config, Provider

API = Area("PBX API")
CLOCK = Area("clock")

SKEW_OK_S = 30.0
SKEW_BAD_S = 600.0


def check_api(config: Config) -> tuple[list[Finding], Selection]:
    """What the API says, and who the phone would be: pulled accounts if the API names them, and static ones."""
    provider = config.provider
    if provider is None or not any(account.pulled for account in config.accounts):
        return [API.info("accounts", "all accounts are static: no API is needed")], resolve(config.accounts, None)
    try:
        fetched = asyncio.run(_fetch(provider, config))
    except ProviderRefused as error:
        cure = "make a new token in the PBX (API Settings), for this domain and with the extension list's route"
        return [API.fail("token", str(error), cure)], resolve(config.accounts, None)
    except (ProviderError, ConfigError) as error:
        cure = "check provider.api_url, the network, and any firewall or proxy between"
        return [API.fail("answer", str(error), cure)], resolve(config.accounts, None)
    selection = resolve(config.accounts, fetched)
    return list(_told(provider, fetched, selection)), selection


async def _fetch(provider: Provider, config: Config) -> Fetched:
    async with PbxApi.of(provider, retry=Retry(attempts=1)) as pbx:
        return await fetch(pbx, config.accounts)


def _told(provider: Provider, fetched: Fetched, selection: Selection) -> Iterator[Finding]:
    yield API.ok("answer", f"{provider.api_url} answers, and accepts the token")
    pulled = [account.id for account in selection.accounts if account.origin == "provider"]
    shown = ", ".join(pulled[:8]) + (f" and {len(pulled) - 8} more" if len(pulled) > 8 else "")
    if pulled:
        yield API.ok("extensions", shown)
    else:
        listed = sum(len(each.extensions) for each in fetched.values())
        cure = "check provider.domain_uuid, and `extensions` or `select` of the accounts"
        yield API.fail("extensions", f"none of the {listed} that the PBX lists is for this phone", cure)
    for skipped in selection.skipped:
        yield API.warn("extensions", skipped.text, "or take it out of the configuration")
    for problem in selection.problems:
        yield API.warn("extensions", problem, "have it mended in the PBX")


# ---- the clock


def check_clock(config: Config) -> Iterator[Finding]:
    """Our clock against the Date header of the API. Certificates and logs need it right."""
    if config.provider is None:
        return
    try:
        skew_s = asyncio.run(_skew_s(config.provider))
    except (httpx.HTTPError, ssl.SSLError, OSError) as error:
        yield CLOCK.info("against the API", f"not compared: {type(error).__name__}")
        return
    if skew_s is None:
        yield CLOCK.info("against the API", "not compared: the API sends no date")
    else:
        yield _judged(skew_s)


async def _skew_s(provider: Provider) -> float | None:
    """Seconds that our clock is ahead; the header has whole seconds."""
    verify: ssl.SSLContext | bool = True
    if provider.ca_file is not None:
        verify = ssl.create_default_context(cafile=str(provider.ca_file))
    async with httpx.AsyncClient(verify=verify, timeout=NETWORK_LIMIT_S) as client:
        response = await client.head(provider.api_url)
    now = datetime.now(UTC)
    try:
        theirs = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    return (now - theirs).total_seconds()


def _judged(skew_s: float) -> Finding:
    where = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the API's"
    cure = "let the machine keep time: `timedatectl set-ntp true`, or install chrony"
    if abs(skew_s) <= SKEW_OK_S:
        return CLOCK.ok("against the API", f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}, right within seconds")
    if abs(skew_s) <= SKEW_BAD_S:
        return CLOCK.warn("against the API", f"our clock is {where}", cure)
    return CLOCK.fail("against the API", f"our clock is {where}: certificates will seem expired or not yet valid", cure)
