"""What the environment allows: against the lab everything, on a real account only what is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.account import Number, Switches

PROVIDER = "provider: {domain_uuid: ddcfeb62-110f-4bd7-b7a9-965e1a78295f, token: {env: CONTRACT_TOKEN}%s}\n"
LIVE = ", live: {refresh_token: {env: CONTRACT_TOKEN}, user_uuid: {env: CONTRACT_TOKEN}}"


def file(folder: Path, more: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CONTRACT_TOKEN", "token")
    path = folder / "account.yaml"
    path.write_text(PROVIDER % more)
    return str(path)


def test_the_lab_may_be_asked_for_everything() -> None:
    assert Switches.of({}).allowed == {"call", "order_line", "order_did", "live"}


def test_a_real_account_is_only_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = file(tmp_path, "", monkeypatch)
    assert Switches.of({"SOFTPHONE_CONTRACT_CONFIG": config}).allowed == frozenset()
    config = file(tmp_path, LIVE, monkeypatch)
    assert Switches.of({"SOFTPHONE_CONTRACT_CONFIG": config}).allowed == {"live"}


def test_what_is_named_may_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Switches.of(
        {
            "SOFTPHONE_CONTRACT_CONFIG": file(tmp_path, "", monkeypatch),
            "SOFTPHONE_CONTRACT_CALL": "901 33612345678",
            "SOFTPHONE_CONTRACT_ORDER_LINE": "starter=2",
            "SOFTPHONE_CONTRACT_ORDER_DID": "FR/Paris/901/ID-7",
        }
    )
    assert found.call == ("901", "33612345678")
    assert found.order_line == {"starter": 2}
    assert found.order_did == Number("FR", "Paris", "901", "ID-7")
    assert found.allowed == {"call", "order_line", "order_did"}
