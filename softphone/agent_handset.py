"""What a program can do with handsets: browsers, or other WebRTC clients, as microphones and ears of calls."""

from __future__ import annotations

from abc import ABC, abstractmethod

from softphone.engine.call import Call
from softphone.engine.handsets import Handsets
from softphone.engine.views import AudioRoute, HandsetMode, HandsetView
from softphone.errors import Conflict


class HandsetCommands(ABC):
    """Part of `Agent`. A handset is named by its id (`h1`); NotFound and Conflict are raised as everywhere."""

    _handsets: Handsets | None
    _state: str

    @abstractmethod
    def _running(self, call_id: str) -> Call: ...

    @abstractmethod
    async def set_audio(self, call_id: str, route: AudioRoute) -> None: ...

    def _handset_desk(self) -> Handsets:
        if self._handsets is None:
            raise Conflict("this agent was built without handsets")
        return self._handsets

    async def open_handset(self, offer_sdp: str, *, name: str = "") -> tuple[HandsetView, str]:
        """Answers the offer of a browser; returns the handset and the answer's SDP, all candidates in it.

        The answer holds the ICE password: it belongs to the browser alone. Raises UsageError, which names what is wrong
        with the offer, Conflict (too many, or stopping), MediaError.
        """
        if self._state != "running":
            raise Conflict(f"the agent is {self._state}: it takes no handsets")
        return await self._handset_desk().open(offer_sdp, name)

    async def attach_handset(
        self, handset_id: str, call_id: str, mode: HandsetMode = "talk", *, take_over: bool = False
    ) -> HandsetView:
        """Connects a handset to a call, or changes its mode there.

        listen: hears both sides. talk: is heard by both as well. whisper: is heard by our side only, that is by the
        call's sound device and its other handsets. Members of a conference are heard and reached all together.
        take_over: the call's sound moves here: its sound device or file is let go.
        """
        view = self._handset_desk().attach(handset_id, call_id, mode)
        if take_over:
            await self.set_audio(call_id, AudioRoute())
        return view

    def detach_handset(self, handset_id: str, call_id: str | None = None) -> HandsetView:
        """Takes a handset out of one call, or of all that it is in."""
        return self._handset_desk().detach(handset_id, call_id)

    async def close_handset(self, handset_id: str) -> None:
        """Ends a handset; its calls go on."""
        await self._handset_desk().close(handset_id)

    def send_handset_digits(self, handset_id: str, digits: str, *, duration_ms: int = 160) -> None:
        """Sends keys to the handset itself (RFC 4733), for clients that are no browsers."""
        self._handset_desk().send_digits(handset_id, digits, duration_ms)

    def handsets(self) -> list[HandsetView]:
        """The handsets that are open, oldest first."""
        return self._handset_desk().views() if self._handsets else []

    def handset(self, handset_id: str) -> HandsetView:
        """One handset with its figures."""
        return self._handset_desk().view(handset_id)
