"""What the lab serves over HTTP: billing, PBX, auth, live events, and the lab's own control API and web page."""
