"""The users and the numbers of the test PBX."""

from dataclasses import dataclass
from enum import Enum

DOMAIN = "pbx.test"


class Kind(Enum):
    """What is special about a user, as lines of Asterisk's endpoint, aor and auth sections."""

    PLAIN = ("", "", "")
    # SDES-SRTP in every call: a call in the clear gets 488
    SRTP = ("media_encryption = sdes", "", "")
    SRTP_OPTIONAL = ("media_encryption = sdes\nmedia_encryption_optimistic = yes", "", "")
    # DTLS-SRTP in every call: RTP and RTCP on a port each, or on one
    DTLS = (
        "media_encryption = dtls\ndtls_auto_generate_cert = yes\ndtls_setup = actpass\ndtls_verify = fingerprint",
        "",
        "",
    )
    DTLS_MUX = (f"{DTLS[0]}\nrtcp_mux = yes", "", "")
    SHA256 = ("", "", "supported_algorithms_uas = SHA-256")
    DTMF_INFO = ("dtmf_mode = info", "", "")
    # no telephone-event in SDP; Asterisk itself looks for digits in the sound
    DTMF_INBAND = ("disallow = all\nallow = ulaw\ndtmf_mode = inband", "", "")
    # the PBX grants ten seconds, whatever is asked: a refresh is seen soon
    SHORT_EXPIRY = ("", "maximum_expiration = 10", "")
    # asked by OPTIONS every two seconds
    QUALIFIED = ("", "qualify_frequency = 2", "")
    # G.711 alone, PRACK wanted, session timer of 90 s
    PRACK = ("disallow = all\nallow = ulaw\n100rel = required\ntimers = always\ntimers_sess_expires = 90", "", "")
    ICE = ("ice_support = yes", "", "")
    # media goes to where the phone's SDP says, and nowhere else; calls go to the contact as it is registered
    TRUSTING = ("rtp_symmetric = no\nrewrite_contact = no", "", "")
    # what a browser needs: ICE, DTLS-SRTP, one port for all; SIP over a WebSocket or anything else
    WEBRTC = ("webrtc = yes\ndtls_auto_generate_cert = yes", "", "")
    # the same; that the far end holds is passed on in a re-INVITE, where the others are played music
    WEBRTC_HELD = (f"{WEBRTC[0]}\nmoh_passthrough = yes", "", "")


@dataclass(frozen=True)
class User:
    """An extension of the PBX."""

    extension: str
    kind: Kind = Kind.PLAIN

    @property
    def password(self) -> str:
        return f"pw-{self.extension}"


# calls of these are WebRTC's; they register over wss (Asterisk.wss_url)
WEBRTC_USERS = ("931", "932", "933", "934", "935", "936", "937", "938")


def _users() -> dict[str, User]:
    special = {
        "911": Kind.SRTP,
        "912": Kind.SRTP,
        "913": Kind.SRTP_OPTIONAL,
        "914": Kind.SHA256,
        "915": Kind.DTMF_INFO,
        "916": Kind.SHORT_EXPIRY,
        "917": Kind.PRACK,
        "918": Kind.QUALIFIED,
        "919": Kind.DTMF_INBAND,
        "921": Kind.ICE,
        "922": Kind.TRUSTING,
        "923": Kind.DTLS,
        "924": Kind.DTLS_MUX,
        "939": Kind.WEBRTC_HELD,
    }
    special |= dict.fromkeys(WEBRTC_USERS, Kind.WEBRTC)
    extensions = [str(number) for number in range(901, 940)]
    return {name: User(name, special.get(name, Kind.PLAIN)) for name in extensions}


# 901 to 939; the special ones are 911 to 919, 921 to 924, and from 931 on
USERS = _users()
TRUNK = "700"  # calls as this need no password

ANNOUNCEMENT = "9195"  # four seconds of sound, then the PBX hangs up
ECHO = "9196"
TONE = "9197"  # 1004 Hz, without end
SILENT = "9189"  # answered, no RTP at all
RECORD = "9193"  # Asterisk.recording(name): X-Recording's value, or the caller's number
CONFERENCE = "9000"
DTMF_READ_BACK = "9199"  # user event `Digits`, then the same digits come back
DTMF_SEND = "9198"  # sends 1234567890*#ABCD
RING_THEN_ECHO = "9180"  # a second of ringing
RING_FOR_EVER = "9181"
EARLY_MEDIA_THEN_ECHO = "9183"  # 183, a second and a half of sound, 200
EARLY_MEDIA_THEN_403 = "9184"
SENDS_TO_THE_TONE = "9187"  # a REFER half a second after the answer; user event `Transferred`
INTERCOM = "80"  # and an extension: calls it with Call-Info: answer-after=0
TELL_HEADER = "9188"  # user event `Header` with X-Softphone-Test, then 486

# SIP code -> the Q.850 cause by which Asterisk gives it; dialled as 9<code>
REFUSALS = {403: 21, 404: 1, 410: 22, 480: 19, 484: 28, 486: 17, 488: 58, 500: 38, 503: 34, 603: 41}


def hangs_up_after(seconds: int) -> str:
    """The number that answers, plays 440 Hz, and hangs up after so many seconds (1 to 99)."""
    return f"92{seconds:02d}"


def refuses_with(code: int) -> str:
    """The number that refuses a call with this SIP code, one of REFUSALS."""
    if code not in REFUSALS:
        raise ValueError(f"the test PBX has no number that answers {code}")
    return f"9{code}"


def refusal_lines() -> str:
    """The dial plan's lines of REFUSALS."""
    return "\n".join(f"exten => 9{code},1,Hangup({cause})" for code, cause in REFUSALS.items())


def user_sections(users: dict[str, User]) -> str:
    """The sections of pjsip.conf that make the users and the trunk."""
    return "\n".join([*map(_sections, users.values()), f"[{TRUNK}](phone)"])


def _sections(user: User) -> str:
    endpoint, contact, secret = user.kind.value
    name = user.extension
    return "\n".join(
        [
            f'[{name}](phone)\nauth = {name}\naors = {name}\ncallerid = "User {name}" <{name}>\n{endpoint}',
            f"[{name}](contact)\n{contact}",
            f"[{name}](secret)\nusername = {name}\npassword = {user.password}\n{secret}",
        ]
    )
