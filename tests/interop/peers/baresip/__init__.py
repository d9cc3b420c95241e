"""baresip as a peer."""
