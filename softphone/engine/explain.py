"""SIP status codes in plain English: what happened, and what to do about it (RFC 3261 section 21)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """`cause` says what happened; `advice` says what to do, '' where there is nothing to do."""

    cause: str
    advice: str = ""


_CALL = {
    300: ("the number leads to several places", ""),
    301: ("the number has moved for good", "call the new address"),
    302: ("the far end redirects the call", ""),
    400: ("the PBX could not understand our request", "look at the SIP trace; this may be a fault of ours"),
    401: ("the PBX refused the password of this account", "check username and password of the account"),
    402: ("the PBX asks for payment", "check the credit of the account"),
    403: ("the PBX forbids this call", "check that the account may call this number"),
    404: ("nobody has this number", "check the number"),
    405: ("the far end does not take calls that way", ""),
    406: ("the far end accepts none of our content types", ""),
    407: ("the PBX refused the password of this account", "check username and password of the account"),
    408: ("no answer from the network in time", "check that the PBX can be reached"),
    410: ("this number is no longer in use", "check the number"),
    415: ("the far end does not accept our media description", ""),
    416: ("the far end cannot handle this kind of address", "call a sip: URI or a number"),
    420: ("the far end does not know an extension that we asked for", ""),
    423: ("the registrar wants a longer expiry", "raise expires_s of the account"),
    480: ("nobody is there: not registered, or did not answer", "try again later"),
    481: ("the far end no longer knows this call", ""),
    482: ("the call went round in a loop", "check the routing of the PBX"),
    483: ("the call passed too many servers", "check the routing of the PBX"),
    484: ("the number is incomplete", "check the number"),
    485: ("the number is ambiguous", "check the number"),
    486: ("busy", "try again later"),
    487: ("the call was cancelled", ""),
    488: ("no common codec or encryption", "check `codecs` and `srtp` of the account against the PBX"),
    491: ("both sides changed the call at the same time", ""),
    493: ("the far end could not decrypt the request", ""),
    500: ("the PBX has an internal fault", "look into the PBX's log"),
    501: ("the PBX does not support this", ""),
    502: ("a gateway behind the PBX failed", "try again later"),
    503: ("the PBX or a gateway is overloaded or down", "try again later"),
    504: ("a server behind the PBX did not answer", "try again later"),
    505: ("the far end speaks another version of SIP", ""),
    513: ("our request was too large", ""),
    600: ("busy everywhere", "try again later"),
    603: ("the far end declined", ""),
    604: ("this number does not exist anywhere", "check the number"),
    606: ("the far end cannot take the offered media", "check `codecs` and `srtp` of the account"),
    607: ("the far end does not want this call", ""),
}

_REGISTER = {
    401: ("the PBX refuses this username and password", "check the password of the extension in the PBX"),
    403: (
        "the PBX forbids this registration: the password is wrong, or the realm is not the extension's user_context",
        "check the password and that the domain is the extension's user_context",
    ),
    404: ("the PBX does not know this extension", "check the extension and its domain"),
    407: ("a proxy refuses this username and password", "check the password of the extension in the PBX"),
    408: ("the registrar did not answer in time", "check the registrar's address, the port, and any firewall between"),
    423: ("the registrar wants a longer expiry", "raise expires_s of the account"),
    480: ("the registrar is not available at the moment", "it is tried again by itself"),
    500: ("the registrar has an internal fault", "look into the PBX's log"),
    503: ("the registrar is overloaded or down", "it is tried again by itself"),
}


def explain_call(code: int) -> Explanation:
    """Why a call ended with this SIP status."""
    return _explain(_CALL, code)


def explain_registration(code: int) -> Explanation:
    """Why a REGISTER ended with this SIP status."""
    return _explain(_REGISTER, code) if code in _REGISTER else _explain(_CALL, code)


def _explain(table: dict[int, tuple[str, str]], code: int) -> Explanation:
    if code in table:
        return Explanation(*table[code])
    return Explanation(
        {
            3: "the far end redirects the call",
            4: f"the far end refused with SIP status {code}",
            5: f"the PBX failed with SIP status {code}",
            6: f"refused everywhere with SIP status {code}",
        }.get(code // 100, "no answer")
    )
