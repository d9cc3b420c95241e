"""SIPp as a peer: caller or called, for what a friendly PBX never does."""
