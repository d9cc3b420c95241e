"""`softphone demo`: a telephone system on this machine, a phone with two extensions, calls, and proven sound."""
