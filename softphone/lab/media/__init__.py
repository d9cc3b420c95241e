"""The lab's sound: RTP, SRTP, telephone-events, tones, and the relay between two phones."""
