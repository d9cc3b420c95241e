"""The lab's own SIP: transports, transactions, digest, registrar, dialogs, back-to-back user agent (RFC 3261)."""
