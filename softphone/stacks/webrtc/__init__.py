"""WebRTC towards browsers: aiortc negotiates and secures, our own leg moves the sound."""
