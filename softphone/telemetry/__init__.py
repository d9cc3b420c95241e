"""What the daemon tells of itself: log lines without secrets, systemd's readiness protocol, the journal of calls."""
