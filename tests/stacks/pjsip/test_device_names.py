"""Which device a name means, against what ALSA lists on a machine with two sound cards."""

from __future__ import annotations

import pytest

from softphone.errors import MediaError
from softphone.stacks.pjsip.alsa import AlsaDevice
from softphone.stacks.pjsip.device_names import choose

BOTH, IN, OUT = (True, True), (True, False), (False, True)


def _card(card: str, text: str) -> list[AlsaDevice]:
    names = [
        (f"hw:CARD={card},DEV=0", BOTH),
        (f"plughw:CARD={card},DEV=0", BOTH),
        (f"sysdefault:CARD={card}", BOTH),
        (f"front:CARD={card},DEV=0", OUT),
        (f"dsnoop:CARD={card},DEV=0", IN),
    ]
    return [AlsaDevice(name, f"{text} Direct sound", *able) for name, able in names]


MACHINE = [
    AlsaDevice("default", "Default device", *BOTH),
    *_card("PCH", "HDA Intel PCH, ALC257"),
    *_card("USB", "Jabra Speak 510, USB Audio"),
    AlsaDevice("hdmi:CARD=PCH,DEV=3", "HDA Intel PCH, HDMI 0", *OUT),
]


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("default", "default"),
        (None, "default"),
        ("hw:CARD=USB,DEV=0", "hw:CARD=USB,DEV=0"),
        ("hw:CARD=USB", "hw:CARD=USB,DEV=0"),
        ("plughw:USB", "plughw:CARD=USB,DEV=0"),
        ("plughw:USB,0", "plughw:CARD=USB,DEV=0"),
        ("sysdefault:USB", "sysdefault:CARD=USB"),
        ("Jabra", "plughw:CARD=USB,DEV=0"),
        ("speak 510", "plughw:CARD=USB,DEV=0"),
        ("usb", "plughw:CARD=USB,DEV=0"),
        ("hdmi", "hdmi:CARD=PCH,DEV=3"),
    ],
)
def test_a_name_means_one_device(wanted: str | None, meant: str) -> None:
    assert choose(wanted, False, MACHINE) == meant


@pytest.mark.parametrize(
    ("wanted", "capture", "says"),
    [
        ("headset", True, "there is no microphone named 'headset' .there is: default, hw:CARD=PCH,DEV=0, "),
        ("hdmi", True, "no microphone named 'hdmi'"),
        ("hw:CARD=USB,DEV=7", False, "no loudspeaker named"),
        ("plughw", False, "'plughw' could be any of plughw:CARD=PCH,DEV=0, plughw:CARD=USB,DEV=0; give one"),
    ],
)
def test_a_name_that_means_none_or_several_is_refused(wanted: str, capture: bool, says: str) -> None:
    with pytest.raises(MediaError, match=says):
        choose(wanted, capture, MACHINE)


def test_without_a_default_the_first_that_can() -> None:
    assert choose(None, True, [d for d in MACHINE if d.name.startswith(("front", "dsnoop"))]) == "dsnoop:CARD=PCH,DEV=0"


def test_a_machine_without_sound() -> None:
    with pytest.raises(MediaError, match="there is no microphone on this machine"):
        choose(None, True, [])
    with pytest.raises(MediaError, match="none at all"):
        choose("hw:0", True, [])
