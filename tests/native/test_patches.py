"""Each of native/patches, and each setting that mends something: these fail on PJSIP as it is released.

0001 needs no test of its own: without it nothing is built. 0040 is tried by tests/e2e/test_nat.py, 0035 by
tests/interop/test_asterisk_media.py, 0041 and 0042 by tests/interop/test_nat.py: these need servers.
"""

import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import _pjsua2
import pytest

from softphone.config.accounts import SrtpSuite

from .bench import PROGRAMS, run_program


def preload(source: str, folder: Path) -> dict[str, str]:
    """Environment that puts functions of our own before the system's."""
    library = folder / "preload.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, PROGRAMS / source], check=True)
    return {"LD_PRELOAD": str(library)}


def test_0002_a_peer_that_speaks_before_its_answer_is_heard(tmp_path: Path) -> None:
    result = run_program("early_rtp", "40", env=preload("slow_start.c", tmp_path)).json
    assert result == {"calls": 40, "deaf": 0}


def test_0003_a_late_destructor_leaves_the_next_call_alone() -> None:
    assert run_program("stale_call").json == {"same_id": True, "survived": True, "told_of_its_end": True}


def test_0004_an_ecdsa_only_peer_gets_a_certificate() -> None:
    assert run_program("dtls_certificate").json == {"key": "ECPublicKey", "curve": "secp256r1"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="about processors of this kind")
def test_0005_no_instruction_needs_more_than_the_baseline_processor() -> None:
    """But for the functions that WebRTC calls after asking the processor: some hundred instructions, not thousands."""
    objdump = shutil.which("objdump")
    assert objdump, "objdump comes with the compiler"
    text = subprocess.run(
        [objdump, "-d", "--no-show-raw-insn", _pjsua2.__file__], capture_output=True, text=True, check=True
    ).stdout
    wide = re.findall(r"\t(?:v[a-z0-9]+) .*%[xyz]mm", text)
    assert len(wide) < 2000


def test_0006_sip_over_tcp_is_sent_at_once() -> None:
    assert run_program("tcp_options").json == {"no_delay": True}


def test_0007_a_late_destructor_leaves_the_next_account_alone() -> None:
    assert run_program("stale_account").json == {"same_id": True, "survived": True, "gone_when_told": True}


def test_0020_the_jitter_of_opus_is_counted_by_its_own_clock() -> None:
    """On one machine packets come within milliseconds of their time; by the wrong clock it was 35 ms."""
    heard = run_program("opus_jitter").json
    assert heard["codec"] == "opus"
    assert heard["packets"] >= 100
    assert heard["clock_rate_hz"] == 16_000
    assert 0 <= heard["jitter_ms"] < 15
    assert 0 <= heard["peer_jitter_ms"] < 25


def test_0023_a_digit_of_any_length_leaves_the_clock_right() -> None:
    assert run_program("digit_clock").json == {"digits": "1234", "off_ms": [0]}


def test_0024_a_change_waits_for_the_answer_to_the_one_before() -> None:
    assert run_program("offers").json == {"held_at_once": False, "offered": ["sendrecv", "sendonly"]}


def test_a_call_looks_up_no_name_of_this_machine(tmp_path: Path) -> None:
    done = run_program("stale_call", env=preload("tell_lookups.c", tmp_path))
    assert platform.node() not in re.findall(r"looked up: (.*)", done.stderr)


def test_0031_every_suite_of_the_configuration_is_there() -> None:
    assert set(run_program("srtp_suites").json) >= set(get_args(SrtpSuite))


def test_0009_nobody_hears_a_frame_of_another_call() -> None:
    assert run_program("first_frame").json == {"peak": 0, "other_port": 20_000, "received": 40}


def test_0010_a_stranger_gets_no_call_by_sending_faster_than_its_far_end() -> None:
    result = run_program("rtp_bleed").json
    assert 0 <= result["stranger_alone_is_followed_s"]  # as a far end behind NAT would be
    assert 0 <= result["the_far_end_wins_its_call_back_s"] < 2
    assert result["peak_under_attack"] < 1.1 * result["theirs"]
    assert (result["sent_to_stranger"], result["sent_to_far_end"]) == (0, True)
    assert 0 <= result["moved_far_end_is_followed_s"]


def test_0011_a_taken_port_is_told_and_many_may_wait() -> None:
    result = run_program("servers").json
    assert result["taken_port_is_told"] == {"tcp": True, "tls": True}
    assert (result["servers"], result["waiting"]) == (2, min(1024, result["limit"]))


def test_0012_no_name_holds_up_sip(tmp_path: Path) -> None:
    """Neither names in session descriptions nor in headers; and a name that a header has to have is found."""
    done = run_program("names", env=preload("slow_names.c", tmp_path))
    looked_up = set(re.findall(r"looked up: (slow-[a-z]+)", done.stderr))
    assert looked_up == set(), "only what stands in headers, slow-0.test and so on, may be looked up"
    up = {kind: result["up"] for kind, result in done.json.items() if "up" in result}
    assert up == {"connection": False, "connection of the wrong family": False, "rtcp": True, "candidate": True}
    assert max(result["took_s"] for result in done.json.values()) < 2
    assert done.json["headers"]["a_name_is_found"]
