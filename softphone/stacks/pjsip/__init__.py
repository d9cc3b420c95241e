"""SIP and media by PJSIP (our own pjsua2, see native/). The only package that imports pjsua2."""
