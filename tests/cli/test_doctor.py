"""The doctor's other checks, each with something that is wrong; and the command as a whole."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from softphone.cli.demo.pbx import Pbx
from softphone.cli.doctor import api, machine
from softphone.cli.doctor.build import COMMAND, check_build
from softphone.cli.doctor.configuration import read_configuration
from softphone.cli.doctor.findings import Finding, side_by_side
from softphone.cli.doctor.running import check_running
from softphone.config import Config, load
from softphone.lab.faults import FaultKind
from tests.cli.phone import running
from tests.cli.shell import softphone

REPORT = {"wheel": "2.17.0", "pjsip": "2.17", "openssl": "OpenSSL 3", "codecs": ["PCMU/8000/1"], "devices": []}


def static(**account: Any) -> Config:
    base = {"username": "1", "password": {"env": "PW"}, "domain": "pbx.test"}
    from softphone.config import Context

    return Config.model_validate(
        {"accounts": [base | account]}, context=Context(environ={"PW": "x"}, check_files=False)
    )


def printing(report: object, code: str = "") -> tuple[str, ...]:
    return (sys.executable, "-c", f"{code}\nprint('noise')\nprint({json.dumps(report)!r})")


def one(findings: Iterator[Finding], title: str) -> Finding:
    return next(finding for finding in findings if finding.title == title)


# ---- the native build


def test_the_real_build_reports_itself() -> None:
    found = {f.title: f for f in check_build(static(codecs=["opus", "g722", "pcma", "pcmu", "gsm"]), COMMAND)}
    assert {f.state for f in found.values()} == {"ok"}
    assert found["PJSIP"].text.startswith("2.17 ")
    assert "OpenSSL 3" in found["TLS library"].text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import os; os.kill(os.getpid(), 11)", "it crashed (signal 11)"),
        ("import sys; sys.exit('no port is free')", "it does not start: no port is free"),
        ("raise ModuleNotFoundError(\"No module named 'pjsua2'\")", "our pjsua2 is not installed for this Python"),
    ],
)
def test_a_build_that_does_not_start(code: str, text: str) -> None:
    (found,) = check_build(None, printing({}, code))
    assert (found.state, found.text) == ("fail", text)
    assert "make setup" in found.cure


def test_a_codec_that_was_not_built_in() -> None:
    found = one(check_build(static(codecs=["opus", "pcmu"]), printing(REPORT)), "codecs")
    assert (found.state, found.text) == ("fail", "built without opus, which the configuration names; has PCMU/8000")


def test_a_device_that_is_not_there() -> None:
    usb = {"name": "USB Headset", "inputs": 1, "outputs": 0, "driver": "ALSA", "default_rate_hz": 48000}
    found = list(check_build(static(audio={"device": "headset"}), printing(REPORT | {"devices": [usb]})))
    assert [f.text for f in found if f.state == "fail" and f.title == "devices"] == [
        "the configuration names 'headset': there is no loudspeaker named 'headset' (there is: none at all)"
    ]


def test_a_ringer_is_looked_for_by_what_is_written_on_it(tmp_path: Path) -> None:
    bell = {"name": "hw:CARD=B", "inputs": 0, "outputs": 1, "driver": "ALSA", "default_rate_hz": 16000}
    report = REPORT | {"devices": [bell | {"description": "Bell on the wall"}]}
    assert one(check_build(static(ringer={"device": "wall"}), printing(report)), "devices").state == "ok"
    found = list(check_build(static(ringer={"device": "gong"}), printing(report)))
    assert "the configuration names 'gong': there is no loudspeaker" in found[-1].text
    assert {f.state for f in machine.check_sound(static(ringer={"device": "wall"}), {}, tmp_path)} == {"warn"}


# ---- machine and sound


def test_too_few_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (256, 4096))
    found = one(machine.check_machine(static()), "open files")
    assert (found.state, "LimitNOFILE=728" in found.cure) == ("warn", True)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = Config.model_validate({"control": {"socket": str(tmp_path / "file" / "x.sock")}})
    found = one(machine.check_machine(config), "socket folder")
    assert (found.state, "is no folder" in found.text) == ("warn", True)


def test_sound_that_is_wanted_and_not_there(tmp_path: Path) -> None:
    wanted = static(audio={"device": "default"})
    states = {f.title: f.state for f in machine.check_sound(wanted, {}, tmp_path)}
    assert states == {"sound cards": "warn", "sound server": "warn"}
    (unwanted,) = machine.check_sound(static(), {}, tmp_path)
    assert unwanted.state == "info"


def test_a_sound_server_is_seen(tmp_path: Path) -> None:
    (tmp_path / "pipewire-0").touch()
    (tmp_path / "pcmC0D0p").touch()
    found = list(machine.check_sound(None, {"XDG_RUNTIME_DIR": str(tmp_path)}, tmp_path))
    assert [f.state for f in found] == ["ok", "info"]
    assert found[1].text.startswith("PipeWire")


# ---- configuration, clock, running phone


def test_a_configuration_with_problems(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("acounts: []\n")
    findings, config = read_configuration(str(file))
    assert config is None
    assert [f.state for f in findings] == ["fail"]
    assert "acounts" in findings[0].text


def test_no_configuration_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTPHONE_CONFIG", str(tmp_path / "none.yaml"))
    (found,), config = read_configuration(None)
    assert (config, found.state) == (None, "warn")
    assert "softphone config example" in found.cure


@pytest.mark.parametrize(("skew_s", "state"), [(2, "ok"), (-29, "ok"), (120, "warn"), (-3600, "fail")])
def test_the_clock(skew_s: float, state: str) -> None:
    assert api._judged(skew_s).state == state


def test_the_running_phone_tells_of_its_failed_accounts(tmp_path: Path) -> None:
    with running() as phone:
        view = phone.agent.account("902")
        failed = replace(view, state="failed", code=403, reason="Forbidden", cause="wrong password", advice="mend it")
        phone.agent._accounts[view.id] = failed
        phone.agent.ready = False
        found = {f.title: f for f in check_running(phone.path)}
    assert found["902@pbx.example"].text == "not registered: wrong password (403 Forbidden)"
    assert found["902@pbx.example"].cure == "mend it"
    assert found["state"].state == "fail"
    assert found["accounts"].text == "1 of 2 registered"
    (nobody,) = check_running(tmp_path / "none.sock")
    assert nobody.state == "info"


# ---- against the lab


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbx]:
    with Pbx(tmp_path_factory.mktemp("pbx"), ("901", "902")) as pbx:
        yield pbx


@pytest.fixture
def config_file(pbx: Pbx, tmp_path: Path) -> Path:
    config = pbx.ask(lambda lab: lab.agent_config(["901", "902"]))
    config["control"] = {"socket": str(tmp_path / "control.sock")}
    file = tmp_path / "softphone.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def changed(file: Path, section: str, **keys: Any) -> Path:
    config = yaml.safe_load(file.read_text())
    part = config[section][0] if isinstance(config[section], list) else config[section]
    part.update(keys)
    file.write_text(yaml.safe_dump(config))
    return file


def test_a_good_set_up_has_nothing_to_mend(config_file: Path) -> None:
    ended = softphone("doctor", "--config", str(config_file), "--json")
    assert ended.code == 0, ended.out
    areas = {finding["area"].split(" ")[0] for finding in ended.json["findings"]}
    assert areas == {"configuration", "machine", "native", "sound", "PBX", "clock", "registrar", "running"}
    words = softphone("doctor", "--config", str(config_file)).out
    assert "  ✓ extensions: 901@pbx.lab.test, 902@pbx.lab.test" in words
    assert words.splitlines()[-1].startswith("nothing to mend")


def test_a_wrong_registrar_is_found_with_its_cure(config_file: Path) -> None:
    ended = softphone(
        "doctor", "--config", str(changed(config_file, "accounts", transport="udp", registrar="127.0.0.1:9"))
    )
    assert ended.code == 1
    assert "✗ SIP: nothing listens on this UDP port\n      -> check that this port speaks SIP" in ended.out


def test_extensions_that_the_pbx_does_not_have(config_file: Path) -> None:
    findings, selection = api.check_api(load(changed(config_file, "accounts", extensions=["77"])))
    assert selection.accounts == ()
    assert [f.state for f in findings] == ["ok", "fail", "warn"]
    assert "extension 77 is not in the PBX's list" in findings[2].text


def test_a_token_that_is_refused(config_file: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("wrong")
    token.chmod(0o600)
    ((found,), _) = api.check_api(load(changed(config_file, "provider", token={"file": str(token)})))
    assert (found.title, found.state) == ("token", "fail")
    assert "make a new token" in found.cure
    assert "wrong" not in found.text


@pytest.mark.parametrize("kind", ["status", "html", "truncated", "drop"])
def test_an_api_in_trouble(pbx: Pbx, config_file: Path, kind: FaultKind) -> None:
    pbx.ask(lambda lab: lab.api_fault(kind))
    try:
        ((found,), _) = api.check_api(load(config_file))
    finally:
        pbx.ask(lambda lab: lab.api_fault(None))
    assert (found.area, found.state) == ("PBX API", "fail")


def test_an_api_that_is_not_there(config_file: Path) -> None:
    config = load(changed(config_file, "provider", api_url="http://127.0.0.1:9"))
    ((found,), _) = api.check_api(config)
    assert (found.title, found.state) == ("answer", "fail")
    (clock,) = api.check_clock(config)
    assert clock.state == "info"


def test_the_clock_against_the_labs(config_file: Path) -> None:
    (found,) = api.check_clock(load(config_file))
    assert found.state == "ok"


# ---- side by side


def test_a_check_that_hangs_holds_up_no_other() -> None:
    began = time.monotonic()
    jobs = [lambda: 1, lambda: time.sleep(3) or 2, lambda: 3]
    assert list(side_by_side(jobs, limit_s=0.1, late=lambda index: -index)) == [1, -1, 3]
    assert time.monotonic() - began < 2
