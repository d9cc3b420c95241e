"""`softphone doctor`: independent checks, each with what it found and, where it is wrong, what to do.

| module        | looks at |
|---------------|----------|
| machine       | Python, packages, limits, folders, sound |
| build         | the native part: PJSIP, codecs, TLS library, sound devices |
| configuration | the file and its secrets |
| api           | the PBX's REST API: reachable, token accepted, extensions there; its clock |
| registrar     | name, connection, TLS certificate, and whether SIP answers |
| running       | the phone that runs now, if one does |
"""
