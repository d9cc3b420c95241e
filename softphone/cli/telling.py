"""Events as sentences, for people who watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from softphone.cli.durations import show_duration
from softphone.cli.output import count_of

Event = Mapping[str, Any]

_SENTENCES: Mapping[str, Callable[[Event], str]] = {
    "agent.started": lambda e: f"the phone is up, version {e['version']}",
    "agent.stopping": lambda e: f"the phone stops; {count_of(e['calls'], 'call')} may go on for {e['drain_s']:g} s",
    "agent.config_reloaded": lambda e: "the configuration was read again" + _restart(e["restart_needed"]),
    "agent.config_rejected": lambda e: f"the new configuration is wrong, the old one stays: {e['cause']}",
    "trace.switched": lambda e: _trace(e),
    "trace.collector_failed": lambda e: f"the HEP collector gets nothing: {e['cause']}",
    "trace.collector_back": lambda e: f"the HEP collector is back; it missed {count_of(e['dropped'], 'message')}",
    "trace.lost": lambda e: f"{count_of(e['messages'], 'SIP message')} missing in the trace: too many at once",
    "network.changed": lambda e: f"this machine's addresses are now {', '.join(e['after']) or 'none'}",
    "provider.fetched": lambda e: _joined(f"the PBX lists {count_of(e['extensions'], 'extension')}", *e["problems"]),
    "provider.failed": lambda e: f"{e['cause']}; again in {show_duration(e['retry_in_s'])}",
    "pbx.call": lambda e: _pbx_call(e),
    "pbx.webhook_call": lambda e: f"{_pbx_call(e)} (by webhook)",
    "pbx.cdr": lambda e: f"the PBX's record of {_pbx_far_end(e)}: {show_duration(e['duration_s'] or 0)}",
    "pbx.live_connected": lambda e: f"live events of {count_of(len(e['extensions']), 'extension')} come now",
    "pbx.live_lost": lambda e: f"no live events of {count_of(len(e['extensions']), 'extension')}: {e['cause']}",
    "pbx.webhook_unreadable": lambda e: f"a webhook was refused: {e['cause']}",
    "pbx.webhook_dropped": lambda e: f"{count_of(e['dropped'], 'webhook')} lost: {e['cause']}",
    "pbx.click_to_call": lambda e: _click(e),
    "timeline.difference": lambda e: f"{e['timeline']}: {e['text']}",
    "timeline.closed": lambda e: f"{e['timeline']}: {_verdict(e)}",
    "timeline.changed": lambda e: f"{e['timeline']}: something came late; now {_verdict(e)}",
    "timeline.store_failed": lambda e: str(e["cause"]),
    "nat.server_ok": lambda e: f"{e['kind'].upper()} server {e['server']} answers; it sees us at {e['seen']}",
    "nat.server_failed": lambda e: _joined(f"{e['kind'].upper()} server {e['server']}: {e['cause']}", e["advice"]),
    "account.added": lambda e: "new account",
    "account.changed": lambda e: "account changed",
    "account.removed": lambda e: "account removed",
    "account.registering": lambda e: "registering",
    "account.registered": lambda e: f"registered for {show_duration(e['expires_s'])}",
    "account.failed": lambda e: _registration_failed(e),
    "account.registrar_failed": lambda e: f"{e['address']} failed: {e['cause']}; {count_of(e['others'], 'other')} left",
    "account.connection_lost": lambda e: f"connection lost: {e['cause']}",
    "account.unregistered": lambda e: "unregistered",
    "account.dnd": lambda e: f"do not disturb: callers get {e['code']}" if e["on"] else "may be disturbed again",
    "call.dialing": lambda e: f"calling {e['target']}",
    "call.incoming": lambda e: f"{e['caller_name']} {e['caller']} calls {e['called']}".strip(),
    "call.auto_answer": lambda e: _auto_answer(e),
    "call.progress": lambda e: _progress(e),
    "call.answered": lambda e: "answered" if e["by"] == "remote" else "answered here",
    "call.identity": lambda e: f"the far end is now {e['remote_name']} {e['remote']}".replace("  ", " "),
    "call.replaced": lambda e: f"goes on with {e['remote_name']} {e['remote']}".replace("  ", " "),
    "call.media": lambda e: _media(e),
    "call.media_silent": lambda e: _silent(e),
    "call.quality": lambda e: _quality(e),
    "call.hold": lambda e: _hold(e),
    "call.hold_failed": lambda e: f"not {'held' if e['held'] else 'resumed'}: {e['cause']}",
    "call.muted": lambda e: "muted: the far end hears nothing" if e["muted"] else "no longer muted",
    "call.transfer": lambda e: _transfer(e),
    "call.transfer_asked": lambda e: _transfer_asked(e),
    "call.redirected": lambda e: f"sent on to {e['target']} ({e['code']})",
    "call.unencrypted": lambda e: f"not encrypted: {e['cause']}",
    "call.digit": lambda e: f"the far end pressed {e['digit']}",
    "call.digits_sent": lambda e: f"digits sent: {e['digits']} ({e['method']})",
    "call.digits_failed": lambda e: f"digits {e['digits']} not sent ({e['sent']} were): {e['cause']}",
    "digits.collecting": lambda e: f"{e['collect']}: digits are expected",
    "digits.collected": lambda e: f"{e['collect']}: {e['digits'] or 'no digits'} ({_collected(e)})",
    "call.ended": lambda e: _ended(e),
    "expect.started": lambda e: (
        f"{e['expect']}: a call from {e['caller']} is expected for {show_duration(e['within_s'])}"
    ),
    "expect.ended": lambda e: f"{e['expect']}: {e['call'] + ' has come' if e['call'] else e['reason']}",
    "conference.started": lambda e: f"{e['conference']}: {_members(e)} hear each other",
    "conference.changed": lambda e: f"{e['conference']}: now {_members(e)}",
    "conference.ended": lambda e: f"{e['conference']} is over",
    "handset.opened": lambda e: f"{e['handset']}: opened for {e['name'] or 'a browser'} ({e['codec']})",
    "handset.connected": lambda e: f"{e['handset']}: connected with {e['remote']} ({e['remote_candidate']})",
    "handset.attached": lambda e: f"{e['handset']}: in the call ({e['mode']})",
    "handset.detached": lambda e: f"{e['handset']}: no longer in the call ({e['reason']})",
    "handset.digit": lambda e: f"{e['handset']}: {e['digit']} was pressed",
    "handset.closed": lambda e: f"{e['handset']}: {_joined('gone (' + e['reason'] + ')', e['cause'])}",
    "play.started": lambda e: f"playing {e['file']}",
    "play.ended": lambda e: _sound_ended("played", e, e["played_s"]),
    "record.started": lambda e: f"recording to {e['file']}",
    "record.ended": lambda e: _sound_ended("recorded", e, e["duration_s"]),
    "audio.failed": lambda e: f"its sound device or file is missing: {e['cause']}",
    "audio.device_lost": lambda e: f"its sound device {e['device']} is gone: {e['cause']}; the call goes on",
    "audio.device_back": lambda e: "its sound device is back",
    "ringer.failed": lambda e: f"it cannot be heard ringing on {e['device']}: {e['cause']}",
    "audio.routed": lambda e: f"its sound is moved: {_route(e)}",
    "audio.gain": lambda e: f"microphone {e['input_db']:+g} dB, loudspeaker {e['output_db']:+g} dB",
    "audio.talk": lambda e: _talk(e),
    "audio.level": lambda e: f"far end {_level(e, 'far')}; our side {_level(e, 'near')}",
    "stream.gap": lambda e: f"some events were missed: {e['cause']}",
}


def _route(event: Event) -> str:
    if event["route"] == "device":
        return f"microphone {event['input'] or 'by default'}, loudspeaker {event['output'] or 'by default'}"
    return f"the file {event['file']} speaks" if event["route"] == "file" else "to no device"


def sentence(event: Event) -> str:
    """What happened, in words; of an unknown type, its fields."""
    known = _SENTENCES.get(event["type"])
    if known is not None:
        return known(event)
    fields = {k: v for k, v in event.items() if k not in ("id", "time", "type", "call", "account")}
    return " ".join(f"{k}={v}" for k, v in fields.items())


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _restart(keys: list[str]) -> str:
    return f"; a restart is needed for {', '.join(keys)}" if keys else ""


def _pbx_call(e: Event) -> str:
    return f"the PBX says: {_pbx_far_end(e)} is {e['state']}"


def _pbx_far_end(e: Event) -> str:
    who = f"extension {e['extension']}" if e["extension"] else "an extension"
    return f"the {e['direction'] or 'unknown'} call of {who} with {e['number'] or 'an unknown number'}"


def _click(e: Event) -> str:
    recorded = "; the PBX records it" if e["recorded"] else ""
    return f"the PBX rings here and then calls {e['destination']}{recorded}"


def _verdict(e: Event) -> str:
    whole = "complete" if e["complete"] else "closed, with sides missing"
    return _joined(whole, ", ".join(e["differences"]) or "no difference")


def _registration_failed(e: Event) -> str:
    answer = f" ({e['code']} {e['reason']})" if e["code"] else ""
    return _joined(f"not registered: {e['cause']}{answer}", e["advice"], f"again in {show_duration(e['retry_in_s'])}")


def _progress(e: Event) -> str:
    if e["early_media"]:
        return f"sound before the answer ({e['code']} {e['reason']})"
    return "ringing" if e["code"] == 180 else f"{e['code']} {e['reason']}"


def _auto_answer(e: Event) -> str:
    why = {
        "rule": "a rule says so",
        "asked": "its headers ask for it",
        "expected": "a program expects it",
    }.get(e["why"], e["why"])
    return f"answered by itself after {show_duration(e['after_s'])}: {why}"


def _collected(e: Event) -> str:
    words = {
        "terminator": f"ended by {e['terminator']}",
        "max_digits": "complete",
        "timeout_first": "nothing was typed in time",
        "timeout_inter": "nothing more was typed in time",
        "timeout_total": "not complete in time",
        "stopped": "stopped",
        "call_ended": "the call ended",
    }
    return words.get(e["reason"]) or str(e["reason"])


def _media(e: Event) -> str:
    if not e["active"]:
        return "no sound"
    security = f"encrypted ({e['srtp']}, keys by {e['srtp_keying'].upper()})" if e["srtp"] else "not encrypted"
    direction = "" if e["direction"] == "sendrecv" else f", {e['direction']}"
    return f"sound: {e['codec']} at {e['clock_rate_hz']} Hz, {security}{direction}"


def _silent(e: Event) -> str:
    if not e["silent"]:
        return f"sound arrives again, after {show_duration(e['silent_s'])}"
    alive = "; the far end still reports" if e["reports"] else ""
    return f"no sound has arrived for {show_duration(e['silent_s'])}{alive}"


def _quality(e: Event) -> str:
    who = "heard here" if e["direction"] == "received" else "heard there"
    what = "good again" if e["good"] else "poor"
    return f"the sound {who} is {what}: MOS {e['mos']:.1f}, {e['loss_percent']:.1f} % lost"


def _hold(e: Event) -> str:
    who = "held" if e["by"] == "local" else "held by the far end"
    return who if e["held"] else f"no longer {who}"


def _transfer(e: Event) -> str:
    what = {
        "requested": "asked",
        "progress": "under way",
    }.get(e["state"], e["state"])
    answer = f" ({e['code']} {e['reason']})" if e["code"] else f" ({e['reason']})" if e["reason"] else ""
    return f"transfer to {e['target']} {what}{answer}"


def _transfer_asked(e: Event) -> str:
    outcome = f"{e['new_call']} calls there" if e["accepted"] else "refused"
    return f"the far end sends us to {e['target']}: {outcome}"


def _talk(e: Event) -> str:
    who = "the far end" if e["side"] == "far" else "our side"
    return f"{who} {'talks' if e['talking'] else 'is silent'}"


def _level(e: Event, side: str) -> str:
    return f"{e[side + '_dbfs']:.0f} dBFS" + (", talks" if e[side + "_talking"] else "")


def _members(e: Event) -> str:
    return ", ".join([*e["calls"], *(["our side"] if e["local"] else [])])


def _ended(e: Event) -> str:
    answer = f" ({e['code']} {e['sip_reason']})" if e["code"] not in (0, 200) else ""
    lasted = f" after {show_duration(e['duration_s'])}" if e["duration_s"] else ""
    quality = e["quality"] or {}
    mos = f"; MOS {quality['mos']:.1f}" if isinstance(quality.get("mos"), int | float) else ""
    return f"over{lasted}: {e['cause'] or e['reason']}{answer}{mos}"


def _sound_ended(verb: str, e: Event, seconds: float) -> str:
    if e["reason"] == "failed":
        return f"{e['file']} failed after {show_duration(seconds)}: {e['error']}"
    why = {"stopped": ", stopped", "call_ended": ", the call ended", "max_duration": ", its limit"}.get(e["reason"], "")
    return f"{verb} {show_duration(seconds)} of {e['file']}{why}"


def _trace(e: Event) -> str:
    if e["on"]:
        return "SIP messages are kept"
    return f"SIP messages of {', '.join(e['accounts'])} are kept" if e["accounts"] else "SIP messages are not kept"
