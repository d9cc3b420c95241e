// This browser's microphone and loudspeaker as a handset of the phone: one peer connection, open while it is of use.

const GATHER_WITHIN_MS = 1500, LINGER_MS = 4000, BROKEN_AFTER_MS = 4000, SAMPLE_MS = 100, FLOOR_DBFS = -60;

// Why there is no microphone, as a person wants to read it: [what, what to do].
export function explain(error) {
  switch (error.name) {
    case "InsecureContext":
      return ["Browsers give a microphone to safe pages only.", "Open this page by https://, or on the phone's own machine by http://localhost."];
    case "NotAllowedError": case "SecurityError":
      return ["The browser may not use the microphone.", "Allow it for this page: press the sign left of the address, choose Microphone: Allow, then try again. You can hear calls meanwhile."];
    case "NotFoundError": case "OverconstrainedError":
      return ["There is no microphone.", "Plug one in, or choose another one under “This browser”, then try again. You can hear calls meanwhile."];
    case "NotReadableError": case "AbortError":
      return ["The microphone cannot be opened.", "Another program may be using it: close that one, then try again. You can hear calls meanwhile."];
    default:
      return ["This browser's sound cannot be used.", error.message || String(error)];
  }
}

export class Handset extends EventTarget {
  // Tells: "state", "devices", "trouble" (an error that `explain` understands), "lost" (the id of one that broke).
  #wire; #ear; #settings;
  #context = null; #peer = null; #stream = null; #silence = null;
  #opening = null; #closing = 0; #broken = 0; #meters = {};

  constructor(wire, ear, settings) {
    super();
    this.#wire = wire;
    this.#ear = ear;
    this.#settings = settings; // () => ({microphone, speaker, processing})
    this.id = null;
    this.state = "off"; // off, connecting, on
    this.deaf = false; // no microphone: only hears
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#tell("devices"));
  }

  get speakers() { return "setSinkId" in HTMLMediaElement.prototype; }

  async devices() {
    if (!navigator.mediaDevices) return [];
    return (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.deviceId);
  }

  // The phone's id of this handset, which is opened if it is not yet.
  open() {
    clearTimeout(this.#closing);
    if (this.id && this.state !== "off") return Promise.resolve(this.id);
    this.#opening ??= this.#open().finally(() => { this.#opening = null; });
    return this.#opening;
  }

  async #open() {
    this.#set("connecting");
    try {
      await this.#connect(await this.#microphone());
      return this.id;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  // A stream to speak with; silence where there is no microphone, so that calls can be heard all the same.
  async #microphone() {
    this.#context ??= new AudioContext();
    this.#context.resume().catch(() => {});
    try {
      const stream = await this.#ask();
      this.deaf = false;
      return stream;
    } catch (error) {
      this.deaf = true;
      this.#tell("trouble", error);
      this.#silence ??= this.#context.createMediaStreamDestination();
      return this.#silence.stream;
    } finally {
      this.#tell("devices");
    }
  }

  async #ask() {
    if (!window.isSecureContext || !navigator.mediaDevices) throw Object.assign(new Error(), { name: "InsecureContext" });
    const { microphone, processing } = this.#settings();
    const audio = { echoCancellation: processing, noiseSuppression: processing, autoGainControl: processing, channelCount: 1 };
    if (microphone) audio.deviceId = { exact: microphone };
    return navigator.mediaDevices.getUserMedia({ audio });
  }

  async #connect(stream) {
    this.#stream = stream;
    this.#meter("mic", stream);
    const peer = this.#peer = new RTCPeerConnection();
    peer.addTrack(stream.getAudioTracks()[0], stream);
    peer.ontrack = ({ track, streams }) => this.#hear(streams[0] ?? new MediaStream([track]));
    peer.onconnectionstatechange = () => this.#watch(peer);
    await peer.setLocalDescription();
    await gathered(peer);
    const { handset, sdp } = await this.#wire.send("handset_open", { sdp: peer.localDescription.sdp, name: nameOfBrowser() });
    if (peer !== this.#peer) throw new Error("given up");
    this.id = handset.id;
    await peer.setRemoteDescription({ type: "answer", sdp });
  }

  #hear(stream) {
    this.#ear.srcObject = stream;
    this.play();
    this.#meter("ear", stream);
    this.useSpeaker();
  }

  // Browsers want to see somebody at the page before it makes a sound.
  async play() {
    this.#context.resume().catch(() => {});
    const text = "The browser plays no sound until you press something on the page.";
    await this.#ear.play().catch(() => this.#ear.srcObject && this.#tell("trouble", Object.assign(new Error(text), { name: "Autoplay" })));
  }

  #watch(peer) {
    if (peer !== this.#peer) return;
    clearTimeout(this.#broken);
    if (peer.connectionState === "connected") this.#set("on");
    if (peer.connectionState === "failed") this.lose();
    if (peer.connectionState === "disconnected") this.#broken = setTimeout(() => this.lose(), BROKEN_AFTER_MS);
  }

  // The connection is of no use any more.
  lose() {
    this.#tell("lost", this.id);
    return this.close();
  }

  // Changes the microphone while calls go on.
  async useMicrophone() {
    if (!this.#peer) return;
    const before = this.#stream, stream = await this.#microphone();
    await this.#peer.getSenders()[0].replaceTrack(stream.getAudioTracks()[0]);
    this.#stream = stream;
    this.#meter("mic", stream);
    if (before !== stream) this.#release(before);
    this.#set(this.state);
  }

  async useSpeaker() {
    const { speaker } = this.#settings();
    if (!this.speakers || (this.#ear.sinkId || "") === speaker) return;
    try { await this.#ear.setSinkId(speaker); } catch (error) { this.#tell("trouble", new Error(`The loudspeaker cannot be used: ${error.message}`)); }
  }

  // Listens to the microphone for a moment, without any call: the loudest level in dBFS.
  async tryMicrophone(for_ms) {
    const own = !this.#peer, stream = own ? await this.#ask() : this.#stream;
    this.#context ??= new AudioContext();
    await this.#context.resume();
    if (own) this.#meter("mic", stream);
    this.#tell("devices");
    let loudest = FLOOR_DBFS;
    for (let passed = 0; passed < for_ms; passed += SAMPLE_MS) {
      await new Promise((done) => setTimeout(done, SAMPLE_MS));
      loudest = Math.max(loudest, this.level("mic"));
    }
    if (own && !this.#peer) {
      this.#unmeter("mic");
      this.#release(stream);
    }
    return loudest;
  }

  // The microphone is let go after a moment, if nothing uses it then.
  closeSoon(used) {
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => used() || this.close(), LINGER_MS);
  }

  async close() {
    clearTimeout(this.#closing);
    clearTimeout(this.#broken);
    const { id } = this;
    this.id = null;
    this.#peer?.close();
    this.#peer = null;
    if (this.#stream) this.#release(this.#stream);
    this.#stream = null;
    this.#ear.srcObject = null;
    this.#unmeter("mic");
    this.#unmeter("ear");
    this.#set("off");
    if (id && this.#wire.up) await this.#wire.send("handset_close", { handset: id }).catch(() => {}); // it may have ended by itself
  }

  #release(stream) {
    if (stream !== this.#silence?.stream) for (const track of stream.getTracks()) track.stop();
  }

  // ---- levels and figures

  #meter(name, stream) {
    this.#unmeter(name);
    if (!this.#context) return;
    const source = this.#context.createMediaStreamSource(stream), analyser = this.#context.createAnalyser();
    analyser.fftSize = 2048;
    source.connect(analyser);
    this.#meters[name] = { source, analyser, samples: new Float32Array(analyser.fftSize) };
  }

  #unmeter(name) {
    this.#meters[name]?.source.disconnect();
    delete this.#meters[name];
  }

  // dBFS, FLOOR_DBFS for silence.
  level(name) {
    const meter = this.#meters[name];
    if (!meter) return FLOOR_DBFS;
    meter.analyser.getFloatTimeDomainData(meter.samples);
    let sum = 0;
    for (const sample of meter.samples) sum += sample * sample;
    return Math.max(FLOOR_DBFS, 10 * Math.log10(sum / meter.samples.length + 1e-12));
  }

  // How the way from the phone to this browser fares: {loss_percent, jitter_ms, rtt_ms}, null before there is anything.
  async figures() {
    if (!this.#peer || this.state !== "on") return null;
    let found = null, rtt_ms = null;
    for (const entry of (await this.#peer.getStats()).values()) {
      if (entry.type === "inbound-rtp") {
        const all = entry.packetsReceived + entry.packetsLost;
        found = { loss_percent: all ? (100 * Math.max(0, entry.packetsLost)) / all : 0, jitter_ms: 1000 * entry.jitter };
      }
      if (entry.type === "candidate-pair" && entry.nominated && entry.currentRoundTripTime !== undefined) rtt_ms = 1000 * entry.currentRoundTripTime;
    }
    return found && { ...found, rtt_ms };
  }

  #set(state) {
    this.state = state;
    this.#tell("state");
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}

// All candidates, or those found in time: there is no trickle.
function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((done) => {
    const late = setTimeout(done, GATHER_WITHIN_MS);
    peer.onicegatheringstatechange = () => {
      if (peer.iceGatheringState !== "complete") return;
      clearTimeout(late);
      done();
    };
  });
}

function nameOfBrowser() {
  const brands = navigator.userAgentData?.brands?.map((each) => each.brand).filter((brand) => !/not/i.test(brand)) ?? [];
  const name = brands.at(-1) ?? /Firefox|Safari|Chrome/.exec(navigator.userAgent)?.[0] ?? "browser";
  return `${name} on ${navigator.userAgentData?.platform ?? navigator.platform ?? "a device"}`.slice(0, 100);
}

// A ring for those who are called, made here: no file needed.
export class Bell {
  #context = null; #timer = 0;

  ring(on) {
    if (on === (this.#timer !== 0)) return;
    clearInterval(this.#timer);
    this.#timer = 0;
    if (!on) return;
    this.#context ??= new AudioContext();
    this.#burst();
    this.#timer = setInterval(() => this.#burst(), 3000);
  }

  #burst() {
    if (this.#context.state !== "running") this.#context.resume().catch(() => {});
    const start = this.#context.currentTime, volume = this.#context.createGain();
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(0.12, start + 0.03);
    volume.gain.setValueAtTime(0.12, start + 0.95);
    volume.gain.linearRampToValueAtTime(0, start + 1);
    volume.connect(this.#context.destination);
    for (const hz of [440, 480]) {
      const tone = this.#context.createOscillator();
      tone.frequency.value = hz;
      tone.connect(volume);
      tone.start(start);
      tone.stop(start + 1);
    }
  }
}
