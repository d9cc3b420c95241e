"""SIPp scenarios, put together from steps instead of copied: one step is one element of SIPp's XML."""

from dataclasses import dataclass

SDP = """\
v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [rtp_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
"""


@dataclass(frozen=True)
class Scenario:
    """What SIPp does in each call; keywords in brackets are filled in by SIPp (`-key`) at run time."""

    name: str
    steps: tuple[str, ...]
    is_called: bool  # waits for calls, rather than making them
    options: tuple[str, ...] = ()  # of SIPp's command line

    @property
    def xml(self) -> str:
        body = "\n".join(self.steps)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{self.name}">\n{body}\n</scenario>\n'


def send(message: str, *, until_answered: bool = False, body: str = "", body_type: str = "application/sdp") -> str:
    """Sends a message; `until_answered` repeats it as RFC 3261 17.1 asks of a client over UDP."""
    repeat = ' retrans="500"' if until_answered else ""
    head = message.strip() + (f"\nContent-Type: {body_type}" if body else "")
    text = f"{head}\nContent-Length: [len]\n\n{body}"
    return f"<send{repeat}><![CDATA[\n\n{text}\n]]></send>"


def expect(code: int, *, optional: bool = False) -> str:
    """Waits for an answer."""
    return f'<recv response="{code}"{_optional(optional)}/>'


def expect_dialog(code: int, *, optional: bool = False) -> str:
    """Waits for an answer to INVITE that has a Contact: later requests go there (`[next_url]`, `[routes]`)."""
    return f'<recv response="{code}"{_optional(optional)} rrs="true"/>'


def expect_request(method: str, *, optional: bool = False) -> str:
    """Waits for a request."""
    return f'<recv request="{method}"{_optional(optional)}/>'


def expect_with(code: int, header: str, variable: str) -> str:
    """Waits for an answer to INVITE that has this header, and keeps its value."""
    keep = f'<ereg regexp=".*" search_in="hdr" header="{header}:" check_it="true" assign_to="{variable}"/>'
    return f'<recv response="{code}" rrs="true"><action>{keep}</action></recv>'


def expect_register() -> str:
    """Waits for a registration."""
    return _expect_and_keep("REGISTER")


def expect_invite() -> str:
    """Waits for a call."""
    return _expect_and_keep("INVITE")


def _expect_and_keep(method: str) -> str:
    """Waits for a request, and keeps of it what later messages need: `$caller`, `$callee`, `$via`, `$cseq`."""
    headers = {"From:": "caller", "To:": "callee", "Via:": "via", "CSeq:": "cseq"}
    keep = "".join(
        f'<ereg regexp=".*" search_in="hdr" header="{header}" assign_to="{name}"/>' for header, name in headers.items()
    )
    return f'<recv request="{method}" rrs="true"><action>{keep}</action></recv>'


def mention_variables() -> str:
    """Ends a scenario with `expect_invite`: SIPp refuses a variable that is set and never read."""
    return '<Reference variables="caller,callee,via,cseq"/>'


def pause(milliseconds: int | None = None) -> str:
    """Waits; without a figure as long as the run's `pause_s` says."""
    return "<pause/>" if milliseconds is None else f'<pause milliseconds="{milliseconds}"/>'


def _optional(optional: bool) -> str:
    return ' optional="true"' if optional else ""
