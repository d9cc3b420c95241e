"""The doctor's look at the PBX's live events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from softphone.cli.doctor.findings import Finding
from softphone.cli.doctor.live import check_live
from softphone.config import Provider, load
from softphone.lab import Lab, LabOptions
from softphone.lab.service_options import ServiceOptions
from tests.support.lab_account import lab_account
from tests.support.lab_elsewhere import lab_beside

REFRESH = "refresh-hunter2"


@pytest.fixture(scope="module", params=["status", "frame"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A service that refuses by the handshake's status, and one that does so by a message."""
    with lab_beside(LabOptions(refresh_token=REFRESH, service=ServiceOptions(live_errors=request.param))) as running:
        yield running


def looked_at(lab: Lab, folder: Path, **live: Any) -> dict[str, Finding]:
    found = check_live(provider_of(lab, folder, **live), [])
    assert "hunter2" not in repr(found)
    return {finding.title: finding for finding in found}


def provider_of(lab: Lab, folder: Path, **live: Any) -> Provider:
    provider = load(lab_account(lab, folder)).provider
    assert provider is not None
    assert provider.live is not None
    changed = provider.live.model_copy(update={"extensions": ("901",), **live})
    return provider.model_copy(update={"live": changed})


def test_all_is_well_and_the_token_is_revoked(lab: Lab, tmp_path: Path) -> None:
    found = looked_at(lab, tmp_path)
    assert [finding.state for finding in found.values()] == ["ok", "ok"]
    assert "holds for 5 min" in found["token"].text
    assert lab.events.find("api_request", path="/api/auth/revoke-access")


def test_a_refused_refresh_token(lab: Lab, tmp_path: Path) -> None:
    provider = provider_of(lab, tmp_path)
    (tmp_path / "refresh").write_text("wrong-hunter2")
    wrong = load(tmp_path / "softphone.yaml").provider
    assert wrong is not None
    assert wrong.live is not None
    live = provider.model_copy(update={"live": wrong.live.model_copy(update={"extensions": ("901",)})})
    (finding,) = check_live(live, [])
    assert (finding.title, finding.state) == ("token", "fail")
    assert "provider.live" in finding.cure
    assert "hunter2" not in repr(finding)


def test_an_extension_that_may_not_be_followed(lab: Lab, tmp_path: Path) -> None:
    found = looked_at(lab, tmp_path, extensions=("999",))
    assert found["token"].state == "fail"


def test_nobody_there(lab: Lab, tmp_path: Path) -> None:
    provider = provider_of(lab, tmp_path).model_copy(update={"live_url": "http://127.0.0.1:1"})
    (finding,) = check_live(provider, [])
    assert finding.state == "fail"
    assert "provider.live_url" in finding.cure


def test_nothing_to_follow_and_nothing_configured(lab: Lab, tmp_path: Path) -> None:
    assert looked_at(lab, tmp_path, extensions=())["extensions"].state == "info"
    assert check_live(provider_of(lab, tmp_path).model_copy(update={"live": None}), []) == []


def test_a_connection_that_is_refused(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is good, and the WebSocket is not to be had with it."""
    from softphone.kavkom.livesocket import LiveAddress

    plain = LiveAddress.socket_url
    monkeypatch.setattr(LiveAddress, "socket_url", lambda *args: plain(*args).replace("&ext=901", "&ext=902"))
    found = looked_at(lab, tmp_path)
    assert (found["token"].state, found["connection"].state) == ("ok", "fail")
    assert "Invalid token" in found["connection"].text
