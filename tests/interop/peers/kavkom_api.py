"""The hosted PBX's extension list in front of Asterisk: what the agent is provisioned from.

Only this one call of the API, with its envelope, paging and errors; written from the API's documentation
and sharing nothing with the product.
"""

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

PATH = "/api/pbx/v1/extension/list"
_DEFAULT_LIMIT = 15
_MAX_LIMIT = 5000
_SORTABLE = ("extension", "effective_caller_id_number", "outbound_caller_id_name", "description")


@dataclass(frozen=True)
class Extension:
    """A row of the list."""

    extension: str
    password: str
    user_context: str
    enabled: bool = True
    description: str = ""


@dataclass(frozen=True)
class Request:
    """A request that was answered."""

    path: str
    query: dict[str, str]
    status: int


@dataclass(frozen=True)
class Reply:
    """A status with a body, JSON unless said otherwise."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"

    @classmethod
    def of(cls, value: object, status: HTTPStatus = HTTPStatus.OK) -> Self:
        return cls(status, json.dumps(value).encode())


def _error(status: HTTPStatus, message: str, **fields: str) -> Reply:
    return Reply.of({"error": True, "message": message, "validationErrors": fields}, status)


class KavkomApi:
    """The API on a free port of 127.0.0.1; `url` goes into the agent's configuration."""

    def __init__(self, extensions: list[Extension]) -> None:
        self.token = uuid.uuid4().hex
        self.domain_uuid = str(uuid.uuid4())
        self._extensions = {row.extension: row for row in extensions}
        self._requests: list[Request] = []
        self._forced: Reply | None = None
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listens; after a `stop` on the same port as before."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="api", daemon=True).start()

    def stop(self) -> None:
        """Goes away: connections are refused."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    # --- what tests change and see ---------------------------------------------------------------

    def change(self, extension: str, **fields: object) -> None:
        """Changes a row, e.g. `change("901", password="new")`."""
        with self._changed:
            self._extensions[extension] = replace(self._extensions[extension], **fields)  # type: ignore[arg-type]

    def add(self, row: Extension) -> None:
        with self._changed:
            self._extensions[row.extension] = row

    def remove(self, extension: str) -> None:
        with self._changed:
            del self._extensions[extension]

    def answer_always(self, reply: Reply | None) -> None:
        """Answers every request so, whatever it asks; None: as it should again."""
        with self._changed:
            self._forced = reply

    def requests(self) -> list[Request]:
        with self._changed:
            return list(self._requests)

    def wait_requests(self, count: int, timeout_s: float = 10) -> list[Request]:
        """Waits until so many requests in all have been answered."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout=timeout_s):
                raise AssertionError(f"the API got {len(self._requests)} of {count} requests")
            return list(self._requests)

    # --- the API ---------------------------------------------------------------------------------

    def reply(self, target: str, token: str | None) -> Reply:
        """Answers a GET, and notes it."""
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with self._changed:
            reply = self._forced or self._route(parts.path, query, token)
            self._requests.append(Request(parts.path, query, reply.status))
            self._changed.notify_all()
        return reply

    def _route(self, path: str, query: dict[str, str], token: str | None) -> Reply:
        if path != PATH:
            return _error(HTTPStatus.NOT_FOUND, "Route not found")
        if token != self.token:
            return _error(HTTPStatus.UNAUTHORIZED, "Invalid API token")
        if "domain_uuid" not in query:
            message = "The domain uuid field is required."
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, "Validation failed", domain_uuid=message)
        if query["domain_uuid"] != self.domain_uuid:
            return _error(HTTPStatus.FORBIDDEN, "This token has no access to the domain")
        try:
            return Reply.of({"data": self._page(query), "success": True, "message": "Action completed"})
        except ValueError as error:
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, "Validation failed", limit=str(error))

    def _page(self, query: dict[str, str]) -> list[dict[str, object]]:
        limit = int(query.get("limit", _DEFAULT_LIMIT))
        page = int(query.get("page", 1))
        if not 1 <= limit <= _MAX_LIMIT or page < 1:
            raise ValueError(f"limit is 1 to {_MAX_LIMIT}, page at least 1")
        wanted = query.get("filter[search_query]", "")
        rows = [row for row in self._extensions.values() if wanted in row.extension + row.description]
        rows.sort(key=_sort_key(query.get("sort[0]", "extension")), reverse=query.get("sort[1]") == "DESC")
        with_user = query.get("with_user") == "1"
        return [self._row(row, with_user) for row in rows[(page - 1) * limit : page * limit]]

    def _row(self, row: Extension, with_user: bool) -> dict[str, object]:
        record: dict[str, object] = {
            "extension_uuid": str(uuid.uuid5(uuid.UUID(self.domain_uuid), row.extension)),
            "domain_uuid": self.domain_uuid,
            "extension": row.extension,
            "password": row.password,
            "user_context": row.user_context,
            "description": row.description,
            "enabled": "true" if row.enabled else "false",
        }
        return record | ({"user": {"username": f"user-{row.extension}"}} if with_user else {})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                reply = api.reply(self.path, self.headers.get("X-API-TOKEN"))
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: object) -> None:
                """Keeps the tests' output clean: `requests` has it all."""

        return Handler


def _sort_key(column: str) -> Callable[[Extension], str]:
    if column not in _SORTABLE:
        raise ValueError(f"cannot sort by {column}")
    return lambda row: row.description if column == "description" else row.extension
