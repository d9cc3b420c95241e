"""What the PBX posts to us, and what a page's backend asks of us: two doors for programs on other machines.

http.py         HTTP/1.1 with a limit on everything
buckets.py      how often somebody may come
journal.py      what was received and not dealt with yet, on disk
receiver.py     the webhook: secret, journal, events
credentials.py  extension, password and domain for SIP.js
"""
