"""What is in our build of PJSIP."""

import json
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import _pjsua2
import pjsua2 as pj

from .bench import run_program


def test_it_is_our_build_and_says_what_it_is() -> None:
    ours = distribution("softphone-pjsua2")
    facts = json.loads(ours.read_text("build.json") or "{}")
    assert facts["pjproject"] == "2.17"
    assert "SHA-256" in facts["source"]
    patches = Path(__file__).parents[2] / "native" / "patches"
    assert facts["patches"].split(", ") == sorted(path.stem for path in patches.glob("*.patch"))


def test_codecs(endpoint: pj.Endpoint) -> None:
    codecs = {codec.codecId.rsplit("/", 1)[0] for codec in endpoint.codecEnum2()}
    assert {"PCMU/8000", "PCMA/8000", "G722/16000", "GSM/8000", "opus/48000", "speex/8000", "speex/16000"} <= codecs


def test_limits() -> None:
    result = run_program("limits").json
    assert result == {"version": "2.17", "calls": 1000, "accounts": 1000, "mixer_ports": 4000, "sockets": 1300}


def test_libraries() -> None:
    linked = subprocess.run(["ldd", _pjsua2.__file__], capture_output=True, text=True, check=True).stdout
    for library in ("libssl.so.3", "libcrypto.so.3", "libopus.so", "libasound.so", "libsrtp2.so", "libspeexdsp.so"):
        assert library in linked
    assert "not found" not in linked


def test_aec3_stands_between_microphone_and_loudspeaker(tmp_path: Path) -> None:
    conf = tmp_path / "asound.conf"
    conf.write_text('pcm.!default { type null hint { show on description "nothing" } }\n')
    result = run_program("echo_canceller", str(conf)).json
    assert result["created"]
    assert result["tail_ms"] > 0
    assert "ALSA default" in result["devices"]


def test_a_quiet_start() -> None:
    code = "import pjsua2 as pj; pj.setLogLevel(0); e = pj.Endpoint(); e.libCreate(); e.libDestroy()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
