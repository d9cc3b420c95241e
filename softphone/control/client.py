"""The client of a running softphone: what the CLI uses, and any Python program may.

    with ControlClient("/run/softphone/control.sock") as phone:
        call = phone.dial("9196")
        phone.wait(call["id"], "answered", timeout_s=30)
        for event in phone.events(call=call["id"]): ...

Answers are the JSON of the API's resources, as dicts (see /openapi.json). Importing this module is cheap; httpx is
loaded when the first client is made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from softphone.control.sse import Frame, FrameReader
from softphone.control.unreachable import explain
from softphone.errors import SoftphoneError

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]

HEARTBEAT_S = 15.0
RECONNECT_S = 1.0
ANSWER_TIMEOUT_S = 30.0


class ControlError(SoftphoneError):
    """The daemon refused or failed. `problem` is its problem document (RFC 9457), {} where there is none."""

    def __init__(self, message: str, *, status: int = 0, problem: Json | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem or {}

    @property
    def kind(self) -> str:
        """The last part of the problem's type: `not-found`, `conflict`, …; empty where there is none."""
        return str(self.problem.get("type", "")).rpartition(":")[2]

    @property
    def sip_code(self) -> int | None:
        """The SIP status, where the SIP side failed."""
        code = self.problem.get("sip_code")
        return code if isinstance(code, int) else None


class ControlUnreachable(ControlError):
    """Nobody answers on the socket, or we may not use it; the text says why and what to do."""


class ControlClient:
    """A connection pool to one daemon. All methods block; they raise ControlError and ControlUnreachable.

    timeout_s: how long an answer may take, beyond what a request itself waits for.
    """

    def __init__(self, socket_path: Path | str, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        import httpx  # here, not above: it takes longer to load than the rest of a command that needs no daemon

        self._path, self._timeout_s = Path(socket_path), timeout_s
        self._httpx = httpx
        # no TLS on a Unix socket: without `verify=False` httpx reads all CA certificates for nothing
        transport = httpx.HTTPTransport(uds=str(socket_path), verify=False)
        self._http = httpx.Client(transport=transport, base_url="http://localhost", timeout=timeout_s)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    # ---- the process

    def status(self) -> Json:
        return self._object("GET", "/v1/status")

    def ready(self) -> Json:
        """Its status if it is ready. Raises ControlError of kind `not-ready`, with `problems`, if not."""
        return self._object("GET", "/readyz")

    def devices(self) -> list[Json]:
        return self._list("GET", "/v1/devices")

    def test_device(self, name: str, *, listen_s: float = 2.0) -> Json:
        """Plays a chime and listens; returns when that is done."""
        return self._object("POST", "/v1/devices/test", {"name": name, "listen_s": listen_s}, waits_s=listen_s + 20)

    def refresh_provider(self) -> Json:
        return self._object("POST", "/v1/provider/refresh")

    def openapi(self) -> Json:
        return self._object("GET", "/openapi.json")

    # ---- accounts

    def accounts(self) -> list[Json]:
        return self._list("GET", "/v1/accounts")

    def account(self, account: str) -> Json:
        return self._object("GET", _path("accounts", account))

    def register(self, account: str) -> Json:
        return self._object("POST", _path("accounts", account, "register"))

    def unregister(self, account: str) -> Json:
        return self._object("POST", _path("accounts", account, "unregister"))

    def set_dnd(self, account: str, on: bool) -> Json:
        return self._object("POST", _path("accounts", account, "dnd"), {"on": on})

    # ---- calls

    def calls(self) -> list[Json]:
        return self._list("GET", "/v1/calls")

    def call(self, call: str) -> Json:
        return self._object("GET", _path("calls", call))

    def dial(
        self,
        target: str,
        *,
        account: str | None = None,
        headers: Mapping[str, str] | None = None,
        ring_timeout_s: float | None = None,
        max_duration_s: float | None = None,
        audio: Mapping[str, Any] | None = None,
        trace: bool = False,
    ) -> Json:
        """Places a call and returns it at once. `audio` is a route: `{"route": "device", "input": "USB Headset"}`.

        trace: keep its SIP messages (see `trace`).
        """
        body = {"target": target, "account": account, "headers": headers}
        limits = {"ring_timeout_s": ring_timeout_s, "max_duration_s": max_duration_s}
        return self._object("POST", "/v1/calls", body | limits | {"audio": audio, "trace": trace})

    def wait(self, call: str, for_: str, *, timeout_s: float) -> Json:
        """The call when it is `answered` (or over) or has `ended`; after `timeout_s` seconds as it then stands."""
        query = {"wait": for_, "timeout_s": str(timeout_s)}
        return self._object("GET", _path("calls", call), query=query, waits_s=timeout_s)

    def expect_call(
        self,
        account: str,
        *,
        caller: str = "*",
        within_s: float = 30.0,
        after_s: float = 0.0,
        asked_only: bool = False,
    ) -> Json:
        """Announces a call that will come: the next one that fits is answered by itself, once."""
        body = {"account": account, "caller": caller, "within_s": within_s, "after_s": after_s}
        return self._object("POST", "/v1/expected", body | {"asked_only": asked_only})

    def expected_calls(self) -> list[Json]:
        return self._list("GET", "/v1/expected")

    def forget_expected(self, expect: str) -> None:
        self._request("DELETE", _path("expected", expect))

    # `headers` go onto the SIP message that carries the command out

    def answer(self, call: str, *, headers: Mapping[str, str] | None = None) -> Json:
        return self._object("POST", _path("calls", call, "answer"), {"headers": headers})

    def reject(self, call: str, code: int = 486, reason: str = "", *, headers: Mapping[str, str] | None = None) -> Json:
        body = {"code": code, "reason": reason, "headers": headers}
        return self._object("POST", _path("calls", call, "reject"), body)

    def redirect(self, call: str, target: str) -> Json:
        return self._object("POST", _path("calls", call, "redirect"), {"target": target})

    def hang_up(self, call: str, *, headers: Mapping[str, str] | None = None) -> Json:
        return self._object("POST", _path("calls", call, "hangup"), {"headers": headers})

    def hold(self, call: str, *, headers: Mapping[str, str] | None = None) -> Json:
        return self._object("POST", _path("calls", call, "hold"), {"headers": headers})

    def resume(self, call: str, *, headers: Mapping[str, str] | None = None) -> Json:
        return self._object("POST", _path("calls", call, "resume"), {"headers": headers})

    def mute(self, call: str) -> Json:
        return self._object("POST", _path("calls", call, "mute"))

    def unmute(self, call: str) -> Json:
        return self._object("POST", _path("calls", call, "unmute"))

    def transfer(self, call: str, target: str, *, headers: Mapping[str, str] | None = None) -> Json:
        return self._object("POST", _path("calls", call, "transfer"), {"target": target, "headers": headers})

    def transfer_to(self, call: str, other: str, *, headers: Mapping[str, str] | None = None) -> Json:
        return self._object("POST", _path("calls", call, "transfer"), {"call": other, "headers": headers})

    def send_digits(
        self, call: str, digits: str, *, method: str = "auto", duration_ms: int = 160, pause_ms: int = 80
    ) -> Json:
        body = {"digits": digits, "method": method, "duration_ms": duration_ms, "pause_ms": pause_ms}
        return self._object("POST", _path("calls", call, "dtmf"), body)

    def start_collect(self, call: str, **plan: Any) -> Json:
        """Begins to put together what the far end types: `{"id": "g1", …}`. `plan`: see CollectRequest."""
        return self._object("POST", _path("calls", call, "collect"), plan)

    def collected(self, call: str, collect: str, *, timeout_s: float = 0) -> Json:
        """The collection when it is over, or as it stands after `timeout_s` seconds."""
        query = {"timeout_s": str(timeout_s)}
        return self._object("GET", _path("calls", call, "collects", collect), query=query, waits_s=timeout_s)

    def stop_collect(self, call: str, collect: str) -> Json:
        return self._object("DELETE", _path("calls", call, "collects", collect))

    def forget_typed(self, call: str) -> None:
        self._request("DELETE", _path("calls", call, "typed"))

    # ---- sound

    def play(self, call: str, file: str, *, loop: bool = False) -> Json:
        """`{"id": "p1", …}`. The path is one of the daemon's machine."""
        return self._object("POST", _path("calls", call, "play"), {"file": file, "loop": loop})

    def stop_play(self, call: str, play: str | None = None) -> None:
        """Without `play`: all of them."""
        self._request("DELETE", _path("calls", call, "plays", *([play] if play else [])))

    def record(
        self,
        call: str,
        file: str,
        *,
        mode: str = "mono",
        overwrite: bool = False,
        max_duration_s: float | None = None,
    ) -> Json:
        """`{"id": "r1", …}`. The path is one of the daemon's machine."""
        body = {"file": file, "mode": mode, "overwrite": overwrite, "max_duration_s": max_duration_s}
        return self._object("POST", _path("calls", call, "record"), body)

    def stop_record(self, call: str, record: str | None = None) -> list[Json]:
        """Without `record`: all of them. The files are complete when it returns."""
        return self._list("DELETE", _path("calls", call, "records", *([record] if record else [])))

    def set_audio(self, call: str, route: Mapping[str, Any]) -> Json:
        return self._object("POST", _path("calls", call, "audio"), dict(route))

    def set_gain(self, call: str, *, input_db: float | None = None, output_db: float | None = None) -> Json:
        """dB; None leaves microphone (input) or loudspeaker (output) as it is."""
        return self._object("PUT", _path("calls", call, "gain"), {"input_db": input_db, "output_db": output_db})

    def start_meter(self, call: str, *, interval_ms: int | None = None) -> Json:
        return self._object("PUT", _path("calls", call, "meter"), {"interval_ms": interval_ms})

    def stop_meter(self, call: str) -> None:
        self._request("DELETE", _path("calls", call, "meter"))

    def quality(self, call: str) -> Json | None:
        found = self._request("GET", _path("calls", call, "quality"))
        return found if isinstance(found, dict) else None

    # ---- the PBX

    def timelines(self, **wanted: Any) -> Json:
        """A page: `{"timelines": [...], "next": ...}`. `wanted`: the query of GET /v1/timeline."""
        query = {name: str(value) for name, value in wanted.items() if value not in ("", None)}
        return self._object("GET", "/v1/timeline", query=query)

    def timeline(self, name: str) -> Json:
        """By its id, a call's id, a SIP Call-ID or the PBX's UUID."""
        return self._object("GET", _path("timeline", name))

    def click_to_call(self, destination: str, **wanted: Any) -> Json:
        """Has the PBX ring this phone, which answers by itself, and connect it. `wanted`: see ClickRequest."""
        return self._object("POST", "/v1/click-to-call", {"destination": destination} | wanted)

    # ---- handsets

    def handsets(self) -> list[Json]:
        return self._list("GET", "/v1/handsets")

    def handset(self, handset: str) -> Json:
        return self._object("GET", _path("handsets", handset))

    def open_handset(self, offer_sdp: str, *, name: str = "") -> Json:
        """`handset` and `sdp`, the answer."""
        return self._object("POST", "/v1/handsets", {"sdp": offer_sdp, "name": name})

    def attach_handset(self, handset: str, call: str, mode: str = "talk", *, take_over: bool = False) -> Json:
        body = {"mode": mode, "take_over": take_over}
        return self._object("PUT", _path("handsets", handset, "calls", call), body)

    def detach_handset(self, handset: str, call: str) -> Json:
        return self._object("DELETE", _path("handsets", handset, "calls", call))

    def send_handset_digits(self, handset: str, digits: str, *, duration_ms: int = 160) -> None:
        self._request("POST", _path("handsets", handset, "digits"), {"digits": digits, "duration_ms": duration_ms})

    def close_handset(self, handset: str) -> None:
        self._request("DELETE", _path("handsets", handset))

    # ---- conferences

    def conferences(self) -> list[Json]:
        return self._list("GET", "/v1/conferences")

    def conference(self, conference: str) -> Json:
        return self._object("GET", _path("conferences", conference))

    def start_conference(self, calls: Sequence[str], *, local: bool = True) -> Json:
        return self._object("POST", "/v1/conferences", {"calls": list(calls), "local": local})

    def add_to_conference(self, conference: str, call: str) -> Json:
        return self._object("PUT", _path("conferences", conference, "calls", call))

    def remove_from_conference(self, conference: str, call: str) -> None:
        self._request("DELETE", _path("conferences", conference, "calls", call))

    def set_conference_local(self, conference: str, local: bool) -> Json:
        return self._object("POST", _path("conferences", conference, "local"), {"local": local})

    def end_conference(self, conference: str) -> None:
        self._request("DELETE", _path("conferences", conference))

    # ---- events

    def event_types(self) -> list[Json]:
        return self._list("GET", "/v1/events/types")

    def events(
        self,
        after: str | None = None,
        types: Iterable[str] = (),
        *,
        call: str | None = None,
        reconnect: bool = True,
        on_open: Callable[[], None] | None = None,
    ) -> Iterator[Json]:
        """Events as they happen, without end; from the one after id `after` on, if given.

        A lost connection is opened anew and nothing is missed; what cannot be made up for is told by an event of
        type `stream.gap`. The first connection has to succeed. Without `reconnect` the end of the connection, a
        stopping daemon's for instance, ends the iteration.
        on_open: called when the stream stands (again): whatever happens from then on is delivered.
        """
        query = {k: v for k, v in {"types": ",".join(types), "call": call}.items() if v}
        reader = FrameReader(after or "")
        connected = False
        while True:
            try:
                for frame in self._frames(query, reader, on_open):
                    connected = True
                    if frame.data:
                        yield json.loads(frame.data)
            except ControlUnreachable:
                if not connected or not reconnect:
                    raise
            if not connected:
                raise ControlUnreachable(f"what answers on {self._path} sends no events; is it a softphone?")
            if not reconnect:
                return
            time.sleep(RECONNECT_S)

    def _frames(
        self, query: Mapping[str, str], reader: FrameReader, on_open: Callable[[], None] | None
    ) -> Iterator[Frame]:
        """What one connection brings, heartbeats among it. A connection that ends is no error."""
        headers = {"Last-Event-ID": reader.last_id} if reader.last_id else {}
        timeout = self._httpx.Timeout(self._timeout_s, read=3 * HEARTBEAT_S)
        try:
            with self._http.stream("GET", "/v1/events", params=query, headers=headers, timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    raise _refusal(response)
                for number, chunk in enumerate(response.iter_bytes()):
                    if number == 0 and on_open is not None:  # the first bytes come once the server has subscribed
                        on_open()
                    yield from reader.feed(chunk)
        except (self._httpx.RemoteProtocolError, self._httpx.ReadError, self._httpx.ReadTimeout):
            reader.forget_partial()
        except self._httpx.TransportError as error:
            raise self._unreachable(error) from error

    # ---- SIP messages

    def trace(self, call: str = "", account: str = "", *, after: int = 0, wait_s: float = 0) -> Json:
        """`messages` of a call, of an account, or all, with a `seq` above `after`; waits up to `wait_s` for one."""
        query = {"after": str(after), "wait_s": str(wait_s)}
        return self._object("GET", _trace_path(call, account), query=query, waits_s=wait_s)

    def trace_document(self, form: str, call: str = "", account: str = "", *, width: int = 100) -> bytes:
        """The same as a document: text, ladder (lines of `width` characters), svg, pcap or json."""
        query = {"format": form, "width": str(width)}
        return self._answer("GET", _trace_path(call, account), query=query).content

    def trace_status(self) -> Json:
        return self._object("GET", "/v1/trace/status")

    def switch_trace(self, on: bool, account: str | None = None) -> Json:
        """Keeps SIP messages from now on, or no longer: all of them, or those of an account."""
        return self._object("PUT", "/v1/trace", {"on": on, "account": account})

    def clear_trace(self) -> None:
        self._request("DELETE", "/v1/trace")

    # ---- plumbing

    def _object(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, str] | None = None,
        waits_s: float = 0,
    ) -> Json:
        found = self._request(method, path, body, query=query, waits_s=waits_s)
        if not isinstance(found, dict):
            raise ControlError(f"{method} {path}: an object was expected, not {type(found).__name__}")
        return found

    def _list(self, method: str, path: str) -> list[Json]:
        found = self._request(method, path)
        if not isinstance(found, list):
            raise ControlError(f"{method} {path}: a list was expected, not {type(found).__name__}")
        return found

    def _request(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, str] | None = None,
        waits_s: float = 0,
    ) -> Any:
        response = self._answer(method, path, body, query=query, waits_s=waits_s)
        return _json(response) if response.content else None

    def _answer(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, str] | None = None,
        waits_s: float = 0,
    ) -> httpx.Response:
        try:
            response = self._http.request(method, path, json=body, params=query, timeout=self._timeout_s + waits_s)
        except self._httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _refusal(response)
        return response

    def _unreachable(self, error: Exception) -> ControlUnreachable:
        return ControlUnreachable(explain(self._path, error))


def _path(*parts: str) -> str:
    return "/v1/" + "/".join(quote(part, safe="@") for part in parts)


def _trace_path(call: str, account: str) -> str:
    if call:
        return _path("calls", call, "trace")
    return _path("accounts", account, "trace") if account else "/v1/trace"


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise ControlError("the answer is no JSON; is it a softphone that answers on this socket?") from None


def _refusal(response: httpx.Response) -> ControlError:
    """The error that the daemon's problem document describes."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return ControlError(f"refused with HTTP status {response.status_code}", status=response.status_code)
    text = str(problem.get("detail") or problem.get("title") or f"HTTP status {response.status_code}")
    return ControlError(text, status=response.status_code, problem=problem)
