"""STUN and TURN servers, asked from outside PJSIP: whether they answer, and which of them calls may use."""
