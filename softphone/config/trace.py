"""The `trace:` part of the configuration: which SIP messages are kept, and where else they go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from softphone.config.secrets import Secret
from softphone.config.types import HostPortField, Seconds, Strict

DEFAULT_HEP_PORT = 9060


class Hep(Strict):
    """A collector of SIP messages that speaks HEP version 3, such as HOMER."""

    collector: HostPortField = Field(
        description=f"Where it listens; the port is {DEFAULT_HEP_PORT} if left out (host[:port])"
    )
    transport: Literal["udp", "tcp"] = Field(default="udp", description="How it is reached: udp or tcp")
    capture_id: Annotated[int, Field(strict=True, ge=0, le=0xFFFFFFFF)] = Field(
        default=2001, description="The number by which the collector knows this phone (0 to 4294967295)"
    )
    auth_key: Secret | None = Field(
        default=None, description="What the collector wants to be shown ({env}, {file} or {credential})"
    )

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        return self.collector.host, self.collector.port or DEFAULT_HEP_PORT


class Trace(Strict):
    """SIP messages for finding out what went wrong. Secrets are masked in all of them."""

    sip: bool = Field(
        default=False, description="Keep SIP messages from the start; can be switched while it runs (on or off)"
    )
    keep_messages: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = Field(
        default=5000, description="Messages kept in memory; beyond that the oldest go (messages)"
    )
    keep_mb: Annotated[int, Field(strict=True, ge=1, le=4096)] = Field(
        default=16, description="Memory that they may take; beyond that the oldest go (megabytes)"
    )
    keep_s: Seconds = Field(default=3600, description="Messages older than this are forgotten (seconds)")
    show_digits: bool = Field(
        default=False, description="Show digits in INFO; people type PINs, so they are masked (true or false)"
    )
    hep: Hep | None = Field(default=None, description="A collector that gets each kept message as well")
