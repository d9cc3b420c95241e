"""The lab: the hosted PBX, emulated on loopback.

It stands in for the real service in tests and for newcomers: the REST extension list, a SIP registrar over UDP, TCP
and TLS, calls between extensions, and test numbers (echo, tone, busy ...). It shares no SIP code with the phone, so
that the phone is never judged by its own reading of an RFC.

    async with Lab(LabOptions(extensions=("901", "902"))) as lab:
        config = lab.agent_config()
        await lab.wait_for("registered", extension="901")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softphone.lab.events import LabEvent
    from softphone.lab.lab import Lab
    from softphone.lab.options import LabOptions

__all__ = ["Lab", "LabEvent", "LabOptions"]


def __getattr__(name: str) -> Any:
    """Import on first use: who only wants the options need not load the servers."""
    if name == "Lab":
        from softphone.lab.lab import Lab

        return Lab
    if name == "LabOptions":
        from softphone.lab.options import LabOptions

        return LabOptions
    if name == "LabEvent":
        from softphone.lab.events import LabEvent

        return LabEvent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
