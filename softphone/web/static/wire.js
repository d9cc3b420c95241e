// One WebSocket to the phone: commands and their answers, news, and coming back by itself.

const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 10000, ANSWER_WITHIN_MS = 20000;

export class PhoneError extends Error {
  // `kind` is the last part of the problem's type, such as "conflict".
  constructor(problem) {
    super(problem.detail);
    this.kind = String(problem.type || "").split(":").pop();
  }
}

export class Wire extends EventTarget {
  // Tells: "message" (every one that is no answer), "up", "down" ({wait_ms}), "locked" (a token is needed).
  #socket = null;
  #waiting = new Map();
  #next = 1;
  #wait_ms = 0;
  #timer = 0;
  #wanted = false;

  get up() { return this.#socket !== null && this.#socket.readyState === WebSocket.OPEN; }

  // Connects, and stays connected until `stop`.
  start() {
    this.#wanted = true;
    this.#connect();
  }

  stop() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
  }

  retryNow() {
    if (this.up || !this.#wanted) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  // The answer's result; PhoneError where the phone refuses, or cannot be reached.
  send(what, values = {}) {
    if (!this.up) return Promise.reject(new PhoneError({ type: "urn:down", detail: "The phone cannot be reached just now." }));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#settle(id, null, { type: "urn:late", detail: "The phone did not answer." }), ANSWER_WITHIN_MS);
      this.#waiting.set(id, { resolve, reject, late });
      this.#socket.send(JSON.stringify({ id, do: what, ...values }));
    });
  }

  async #connect() {
    clearTimeout(this.#timer);
    let allowed;
    try {
      allowed = await fetch("v1/session", { cache: "no-store" });
    } catch {
      return this.#later();
    }
    if (!this.#wanted || this.up) return;
    if (!allowed.ok) return this.#later(await reasonOf(allowed));
    if ((await allowed.json()).logged_in) return this.#open();
    this.#wanted = false;
    this.#tell("locked");
  }

  #open() {
    const address = new URL("v1/ws", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, "softphone.v1");
    this.#socket = socket;
    socket.onmessage = (event) => this.#take(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      for (const id of [...this.#waiting.keys()]) this.#settle(id, null, { type: "urn:down", detail: "The connection to the phone was lost." });
      if (this.#wanted) this.#later(event.reason);
    };
  }

  #take(message) {
    if (message.type === "answer") return this.#settle(message.re, message.result, null);
    if (message.type === "error") return this.#settle(message.re, null, message.error);
    if (message.type === "hello") {
      this.#wait_ms = 0;
      this.#tell("up");
    }
    this.#tell("message", message);
  }

  #settle(id, result, problem) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.late);
    if (problem) waiting.reject(new PhoneError(problem));
    else waiting.resolve(result);
  }

  // Doubling, and spread, so that many pages do not come back in step.
  #later(reason = "") {
    this.#wait_ms = Math.min(LONGEST_WAIT_MS, Math.max(FIRST_WAIT_MS, this.#wait_ms * 2));
    const wait_ms = Math.round(this.#wait_ms * (0.75 + Math.random() / 2));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), wait_ms);
    this.#tell("down", { wait_ms, reason });
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}

async function reasonOf(response) {
  try { return (await response.json()).detail || ""; } catch { return ""; }
}
