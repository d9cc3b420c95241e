"""The demo, step by step. Each step ends in a proof: from the PBX, the phone's events, or a recording."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from softphone.cli.demo.pbx import Pbx
from softphone.cli.demo.process import PhoneProcess
from softphone.cli.demo.prompt import prompt
from softphone.cli.demo.proof import must_be_heard
from softphone.cli.demo.stage import Stage, Step
from softphone.cli.feed import Event, Feed
from softphone.cli.telling import sentence
from softphone.errors import SoftphoneError
from softphone.testing.audio import Sound, read_wav, write_wav

FIRST, SECOND = "901", "902"
ECHO, READ_BACK = "9196", "9199"
DIGITS = "2468"

READY_S = 20.0
CALL_S = 10.0
TAIL_S = 0.8  # sound that is still on its way when the prompt has ended

_SHOWN = ("call.progress", "call.answered", "call.media", "call.digits_sent", "call.digit", "call.ended")


@dataclass(frozen=True, slots=True)
class Places:
    """The demo's folder: everything it writes is in here."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "softphone.yaml"

    @property
    def socket(self) -> Path:
        return self.folder / "control.sock"

    @property
    def log(self) -> Path:
        return self.folder / "phone.log"

    def sound(self, name: str) -> Path:
        return self.folder / name


def play_out(stage: Stage, places: Places) -> None:
    """All steps. Raises DemoFailed at the first that fails; whatever was started is ended."""
    said = prompt()
    write_wav(places.sound("prompt.wav"), said)
    with Pbx(places.folder / "pbx", (FIRST, SECOND, "903")) as pbx:
        _introduce(stage, pbx)
        _configure(stage, pbx, places)
        with PhoneProcess(places.config, places.socket, places.log, places.folder / "state") as process:
            _start(stage, pbx, process)
            _register(stage, pbx, process)
            with Feed(process.connect, ("call", "play", "record")) as feed:
                scene = Scene(process, feed, places, said)
                _call_each_other(stage, scene)
                _call_echo(stage, scene)
                _send_digits(stage, scene)
            _stop(stage, pbx, process)


# ---- set-up


def _introduce(stage: Stage, pbx: Pbx) -> None:
    with stage.step("A telephone system starts on this machine, in place of the hosted PBX") as step:
        url, port, domain = pbx.ask(lambda lab: (lab.api_url, lab.sip_tls_port, lab.domain))
        step.detail(f"its REST API, which lists the extensions, is at {url}")
        step.detail(f"its telephone side, SIP over TLS, is at 127.0.0.1:{port}; it calls itself {domain}")
        step.proven(f"extensions {FIRST}, {SECOND} and 903 exist; {ECHO} echoes, {READ_BACK} reads digits back")


def _configure(stage: Stage, pbx: Pbx, places: Places) -> None:
    with stage.step("The phone's configuration is written: where the API is, and which extensions to be") as step:
        config = pbx.ask(lambda lab: lab.agent_config([FIRST, SECOND], transport="tls", srtp="mandatory"))
        config["sip"] = {"bind": "127.0.0.1"}
        config["control"] = {"socket": str(places.socket)}
        places.config.write_text(yaml.safe_dump(config, sort_keys=False))
        for line in places.config.read_text().splitlines():
            step.detail(line)
        step.proven("the API token stays in its own file; SIP passwords are nowhere: they come from the API")


def _start(stage: Stage, pbx: Pbx, process: PhoneProcess) -> None:
    with stage.step("The phone starts (softphone run) and asks the API who it is") as step:
        process.start()
        status = process.until("the phone answers", lambda phone: phone.status(), limit_s=READY_S)
        step.detail(f"softphone {status['version']} with PJSIP {status['native']['pjsip']}")
        pbx.wait_for("api_request", timeout_s=READY_S, status=200)
        found = process.until("accounts appear", _two_accounts, limit_s=READY_S)
        step.proven("the API named " + " and ".join(account["id"] for account in found))


def _two_accounts(phone: Any) -> list[Event]:
    found: list[Event] = phone.accounts()
    return found if len(found) == 2 else []


def _register(stage: Stage, pbx: Pbx, process: PhoneProcess) -> None:
    with stage.step("Both extensions register: TLS, the certificate verified, the password proven by digest") as step:
        for number in (FIRST, SECOND):
            seen = pbx.wait_for("registered", timeout_s=READY_S, extension=number)
            if seen["transport"] != "tls":
                raise SoftphoneError(f"{number} registered over {seen['transport']}, not TLS")
            step.detail(f"the PBX: {number} registered over {seen['transport'].upper()} for {seen['expires_s']} s")
        process.until("the phone is ready", lambda phone: phone.status()["ready"], limit_s=READY_S)
        step.proven("the phone is ready")


def _stop(stage: Stage, pbx: Pbx, process: PhoneProcess) -> None:
    with stage.step("The phone is told to stop (SIGTERM), and takes its registrations back") as step:
        code = process.stop()
        if code != 0:
            raise SoftphoneError(f"the phone ended with code {code}")
        for number in (FIRST, SECOND):
            pbx.wait_for("unregistered", timeout_s=READY_S, extension=number)
        step.proven("it ended with code 0; the PBX has no registrations left")


# ---- calls


class Scene:
    """What the calls of the demo share."""

    def __init__(self, process: PhoneProcess, feed: Feed, places: Places, said: Sound) -> None:
        self._feed, self.places, self.said = feed, places, said
        self.phone = process.connect()

    def dial(self, target: str, caller: str = FIRST) -> str:
        return str(self.phone.dial(target, account=caller)["id"])

    def until(
        self, step: Step, who: str, wanted: str | tuple[str, ...], call: str | None = None, **fields: Any
    ) -> Event:
        """Shows what happens until this happens. Raises SoftphoneError if it does not, or if the call ends first."""
        types = (wanted,) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + CALL_S
        while True:
            event = self._feed.next(max(0.0, deadline - time.monotonic()))
            if event is None:
                raise SoftphoneError(f"{who}: no {' or '.join(types)} within {CALL_S:g} s")
            if event["type"] in _SHOWN and (call is None or event["call"] == call):
                step.detail(f"{who}: {sentence(event)}")
            if event["type"] in types and call in (None, event["call"]) and fields.items() <= event.items():
                return event
            if event["type"] == "call.ended" and event["call"] == call:
                raise SoftphoneError(f"the call ended too early: {event['cause']}")

    def until_talking(self, step: Step, who: str, call: str) -> None:
        """Answered, and sound agreed; either may come first."""
        first = self.until(step, who, ("call.answered", "call.media"), call)
        other = "call.media" if first["type"] == "call.answered" else "call.answered"
        self.until(step, who, other, call)

    def speak(self, step: Step, who: str, call: str) -> None:
        """Plays the prompt to its end, and waits for what is on its way."""
        step.detail(f"{who}: speaks, {self.said.seconds:.1f} s")
        play = self.phone.play(call, str(self.places.sound("prompt.wav")))["id"]
        ended = self.until(step, who, "play.ended", call, play=play)
        if ended["reason"] != "finished":
            raise SoftphoneError(f"the prompt was not played to its end: {ended['reason']} {ended['error']}")
        time.sleep(TAIL_S)

    def record(self, call: str, name: str, mode: str) -> Path:
        file = self.places.sound(name)
        self.phone.record(call, str(file), mode=mode)
        return file

    def hang_up(self, step: Step, who: str, call: str) -> None:
        self.phone.stop_record(call)
        self.phone.hang_up(call)
        self.until(step, who, "call.ended", call, reason="local_hangup")


def _call_each_other(stage: Stage, scene: Scene) -> None:
    with stage.step(f"{FIRST} calls {SECOND}, {SECOND} answers, {FIRST} speaks, {SECOND} records") as step:
        out = scene.dial(SECOND)
        ringing = scene.until(step, SECOND, "call.incoming")
        step.detail(f"{SECOND}: rings; the caller is {ringing['caller']}")
        scene.phone.answer(ringing["call"])
        scene.until_talking(step, FIRST, out)
        file = scene.record(ringing["call"], "heard-by-902.wav", "stereo")
        scene.speak(step, FIRST, out)
        scene.phone.stop_record(ringing["call"])
        scene.hang_up(step, FIRST, out)
        scene.until(step, SECOND, "call.ended", ringing["call"])
        proof = must_be_heard(scene.said, read_wav(file, 0), f"what {SECOND} heard")
        step.proven(f"{SECOND} heard {FIRST}: {proof}", notes=proof.heard, likeness=round(proof.likeness, 4))


def _call_echo(stage: Stage, scene: Scene) -> None:
    with stage.step(f"{FIRST} calls the echo service {ECHO}, speaks, and records both sides") as step:
        call = scene.dial(ECHO)
        scene.until_talking(step, FIRST, call)
        file = scene.record(call, "echo.wav", "stereo")
        scene.speak(step, FIRST, call)
        scene.hang_up(step, FIRST, call)
        ours = must_be_heard(scene.said, read_wav(file, 1), "our side of the recording")
        theirs = must_be_heard(scene.said, read_wav(file, 0), "the far end's side of the recording")
        delay_ms = (theirs.lag_s - ours.lag_s) * 1000
        if not 0 <= delay_ms < 1000:
            raise SoftphoneError(f"the echo is {delay_ms:.0f} ms after what was said: that is not an echo")
        figures = {"notes": theirs.heard, "likeness": round(theirs.likeness, 4), "delay_ms": round(delay_ms, 1)}
        step.proven(f"the sound came back: {theirs}, {delay_ms:.0f} ms later", **figures)


def _send_digits(stage: Stage, scene: Scene) -> None:
    with stage.step(f"{FIRST} calls {READ_BACK}, sends the digits {DIGITS}, and hears them read back") as step:
        call = scene.dial(READ_BACK)
        scene.until_talking(step, FIRST, call)
        scene.phone.send_digits(call, f"{DIGITS}#")
        back = "".join(scene.until(step, FIRST, "call.digit", call)["digit"] for _ in DIGITS)
        scene.hang_up(step, FIRST, call)
        if back != DIGITS:
            raise SoftphoneError(f"the digits {back} came back, not {DIGITS}")
        step.proven(f"the digits {back} came back", digits=back)
