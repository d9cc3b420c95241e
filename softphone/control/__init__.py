"""Control: HTTP over a Unix socket, events as Server-Sent Events. `client` is what other programs import."""
