"""The page that makes a browser the handset of this phone, and the listener that serves it (docs/webrtc.md).

| module       | what is there |
|--------------|---------------|
| server       | the listener: socket, TLS, life |
| connections  | one connection's protocol, with deadlines |
| certificates | the certificate of our own making, or the given one |
| access       | token, sessions, origins, who guesses too often |
| guard        | what each answer carries, and what no request may |
| app          | the routes |
| pages        | the page's files |
| messages     | what travels over the WebSocket |
| commands     | each message as a method of the agent |
| session      | one page that is open |
| door         | login, logout, who may come in |
| whip         | offer and answer over HTTP (RFC 9725) |
"""

from softphone.web.server import WebServer

__all__ = ["WebServer"]
