"""What every port of PJSIP's conference bridge is to us."""

from __future__ import annotations

from typing import Any


class BridgePort:
    """A place on the bridge. `media` is None once it is gone; connections then come to nothing."""

    def __init__(self, name: str, media: Any) -> None:
        self.name = name
        self.media = media

    def gone(self) -> None:
        """PJSIP has taken, or is about to take, this port off the bridge."""
        self.media = None

    def __repr__(self) -> str:
        return f"<port {self.name}>"
