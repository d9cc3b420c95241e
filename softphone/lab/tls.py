"""The lab's TLS: one certificate for all its names, and bad ones that a fault puts in its place."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Sequence
from pathlib import Path

from softphone.lab.certificates import Authority, CertificateFiles
from softphone.lab.faults import FaultPlan

ANOTHER_HOST = "elsewhere.example"
LONG_AGO = datetime.timedelta(days=60)


class TlsKeeper:
    """Certificates and server contexts. Bad ones are made when they are first asked for."""

    def __init__(self, folder: Path, names: Sequence[str], faults: FaultPlan) -> None:
        self._folder = folder
        self._names = list(dict.fromkeys(names))
        self._faults = faults
        self._authority = Authority()
        self._bad: dict[str, ssl.SSLContext] = {}
        self.files = self._authority.write(folder, self._names)
        self._current = self.files.server_context()

    def add_name(self, name: str) -> None:
        """Serve one more host name: the certificate is issued anew by the same authority."""
        if name not in self._names:
            self._names.append(name)
            self.files = self._authority.write(self._folder, self._names)
            self._current = self.files.server_context()
            self._bad.clear()

    def server_context(self) -> ssl.SSLContext:
        """For a listener. Each handshake gets the certificate that is right, or wrong, at its time."""
        context = self.files.server_context()
        context.sni_callback = self._choose  # called where the client names no host, too
        return context

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        fault = self._faults.strikes("tls")
        connection.context = self._bad_context(fault.kind) if fault is not None else self._current

    def _bad_context(self, kind: str) -> ssl.SSLContext:
        if kind not in self._bad:
            self._bad[kind] = self._make_bad(kind).server_context()
        return self._bad[kind]

    def _make_bad(self, kind: str) -> CertificateFiles:
        """What it is wrong with is the only thing wrong with it."""
        if kind == "expired":
            return self._authority.write(self._folder, self._names, stem="expired", ago=LONG_AGO)
        if kind == "wrong_name":
            return self._authority.write(self._folder, [ANOTHER_HOST], stem="wrong-name")
        folder = self._folder / "untrusted"
        folder.mkdir(exist_ok=True, mode=0o700)
        return Authority().write(folder, self._names)
