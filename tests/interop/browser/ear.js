// Put into every page before its own scripts: keeps the samples of every audio track that a peer connection receives.
(() => {
  const tracks = [];
  let keeping = false;

  const follow = async (track) => {
    const heard = { chunks: [], rate_hz: 0 };
    tracks.push(heard);
    // Chromium decodes a remote track only while something plays it
    const player = new Audio();
    player.muted = true;
    player.srcObject = new MediaStream([track]);
    player.play();
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (keeping) {
        const samples = new Float32Array(value.numberOfFrames);
        value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
        heard.chunks.push(samples);
        heard.rate_hz = value.sampleRate;
      }
      value.close();
    }
  };

  const encoded = (chunks) => {
    const samples = new Int16Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) for (const sample of chunk) samples[at++] = Math.max(-1, Math.min(1, sample)) * 32767;
    const bytes = new Uint8Array(samples.buffer);
    let text = "";
    for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
    return btoa(text);
  };

  const connections = [];
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      connections.push(this);
      this.addEventListener("track", ({ track }) => track.kind === "audio" && follow(track));
    }
  };

  window.testEar = {
    start() {
      for (const heard of tracks) heard.chunks = [];
      keeping = true;
    },
    // one entry a track, oldest first: base64 of 16-bit samples, and their rate
    stop() {
      keeping = false;
      return tracks.map(({ chunks, rate_hz }) => ({ pcm: encoded(chunks), rate_hz }));
    },
    // resolves when the newest connection carries media
    async connected() {
      const connection = connections.at(-1);
      while (connection.connectionState !== "connected") {
        if (["failed", "closed"].includes(connection.connectionState)) throw new Error(connection.connectionState);
        await new Promise((resolve) => connection.addEventListener("connectionstatechange", resolve, { once: true }));
      }
    },
    // the statistics of the newest connection as a list, with its states
    async stats() {
      const connection = connections.at(-1);
      if (!connection) return null;
      const { iceConnectionState, connectionState, signalingState } = connection;
      const report = [...(await connection.getStats()).values()];
      return { iceConnectionState, connectionState, signalingState, report };
    },
  };
})();
