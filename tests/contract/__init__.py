"""What we expect of the hosted PBX's service: the same cases against the lab and against a real account."""
