"""The page's backend: serves the page on this machine, and tells it which extension it is.

    SIP_CREDENTIALS_TOKEN=... python3 backend.py --daemon http://127.0.0.1:8482
    python3 backend.py --file credentials.json

The credentials come from the phone's own /v1/sip-credentials (`sip_credentials:` in its configuration), or from a file
with the same JSON: {"extension": "901", "password": "...", "user_context": "pbx.example.com"}. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/bundle.js": ("bundle.js", "text/javascript; charset=utf-8"),
}
CREDENTIALS = "/api/my-backend/sip-credentials"
TIMEOUT_S = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--daemon", metavar="URL", help="where the phone gives credentials away")
    source.add_argument("--file", type=Path, metavar="FILE", help="a file with the credentials")
    parser.add_argument("--server", metavar="URL", help="the PBX's WebSocket, if it is not wss://<user_context>/")
    parser.add_argument("--port", type=int, default=8080, help="where the page is served on 127.0.0.1; 0: any")
    Backend(parser.parse_args()).serve()


class Backend:
    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args

    def serve(self) -> None:
        with ThreadingHTTPServer(("127.0.0.1", self._args.port), self._handler()) as server:
            sys.stdout.write(f"http://127.0.0.1:{server.server_port}/\n")
            sys.stdout.flush()
            server.serve_forever()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = backend.answer(self.path, self.headers.get("Host", ""))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Cache-Control", "no-store")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def answer(self, path: str, host: str) -> tuple[int, str, bytes]:
        """A page of another name must not get the password: its browser would send that name as Host."""
        if host.rpartition(":")[0] not in ("127.0.0.1", "localhost"):
            return 403, "text/plain", b"open it as http://127.0.0.1\n"
        if path == CREDENTIALS:
            return self._credentials()
        if path not in PAGES:
            return 404, "text/plain", b"there is nothing here\n"
        name, kind = PAGES[path]
        try:
            return 200, kind, (HERE / name).read_bytes()
        except FileNotFoundError:
            return 404, "text/plain", f"{name} is not built yet: npm install && npm run build\n".encode()

    def _credentials(self) -> tuple[int, str, bytes]:
        try:
            found = self._asked() if self._args.daemon else json.loads(self._args.file.read_text())
        except (OSError, ValueError) as error:
            sys.stderr.write(f"no credentials: {error}\n")
            return 502, "text/plain", b"no credentials; the backend's console says why\n"
        if self._args.server:
            found["server"] = self._args.server
        return 200, "application/json", json.dumps(found).encode()

    def _asked(self) -> dict[str, Any]:
        token = os.environ.get("SIP_CREDENTIALS_TOKEN", "")
        url = f"{self._args.daemon.rstrip('/')}/v1/sip-credentials"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


if __name__ == "__main__":
    main()
