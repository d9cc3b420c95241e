"""One record per call: what this phone saw, what the PBX said, and the CDR."""
