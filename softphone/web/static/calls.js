// The cards of the calls: made once each, then only brought up to date, so that the focus stays where it is.

const STATES = {
  dialing: ["calling…", "ringing"], ringing: ["ringing", "ringing"], early: ["ringing", "ringing"], incoming: ["calls you", "ringing"],
  answering: ["answering…", "ringing"], active: ["connected", "active"], ending: ["ending…", ""], ended: ["ended", ""],
};
const ENDED_STAYS_MS = 6000;

export const running = (call) => call.state !== "ended" && call.state !== "ending";
export const nameOf = (call) => call.remote_name || userOf(call.remote) || call.called || call.remote;

function userOf(uri) {
  const match = /^sips?:([^@;>]+)(?:@([^;>:]+))?/.exec(uri);
  return match ? decodeURIComponent(match[1]) : uri;
}

export class Calls extends EventTarget {
  // Tells "do" ({what, call, …}) and "current".
  #list; #empty; #template; #cards = new Map(); #own = () => null; #devices = []; #busy = new Set();

  // own(): this browser's handset id, or null.
  constructor(list, empty, template, own) {
    super();
    this.#list = list;
    this.#empty = empty;
    this.#template = template;
    this.#own = own;
    this.views = new Map();
    this.handsets = [];
    this.current = null;
    setInterval(() => this.#tick(), 500);
  }

  // ---- what there is

  reset(calls, handsets) {
    this.handsets = handsets;
    const present = new Set(calls.map((call) => call.id));
    for (const id of [...this.views.keys()]) if (!present.has(id)) this.#remove(id);
    for (const call of calls) this.show(call);
  }

  show(call) {
    if (call.state === "ended" && !this.views.has(call.id)) return;
    this.views.set(call.id, { ...call, seen_ms: Date.now() });
    const card = this.#cards.get(call.id) ?? this.#make(call.id);
    this.#update(card, call);
    if (call.state === "ended") setTimeout(() => this.#remove(call.id), ENDED_STAYS_MS);
    if (!this.views.get(this.current) || !running(this.views.get(this.current)) || call.state === "incoming" && !this.#active()) this.choose(call.id);
    this.#renderAll();
  }

  gone(id) { this.#remove(id); }

  setHandsets(handsets) {
    this.handsets = handsets;
    this.#renderAll();
  }

  // While its sound is being moved, what was chosen stays shown.
  setBusy(id, busy) {
    if (busy) this.#busy.add(id); else this.#busy.delete(id);
    this.#renderAll();
  }

  setDevices(devices) {
    this.#devices = devices;
    this.#renderAll();
  }

  #remove(id) {
    const card = this.#cards.get(id);
    const hadFocus = card?.contains(document.activeElement);
    card?.remove();
    this.#cards.delete(id);
    this.views.delete(id);
    if (this.current === id) this.choose([...this.views.keys()].at(-1) ?? null);
    if (hadFocus) (this.#cards.get(this.current) ?? document.getElementById("number")).focus();
    this.#empty.hidden = this.views.size > 0;
  }

  #active() { return [...this.views.values()].some((call) => call.state === "active"); }

  choose(id) {
    this.current = id;
    for (const [own, card] of this.#cards) {
      card.classList.toggle("current", own === id);
      if (own === id) card.setAttribute("aria-current", "true"); else card.removeAttribute("aria-current");
    }
    this.dispatchEvent(new CustomEvent("current"));
  }

  step(by) {
    const ids = [...this.#cards.keys()], at = ids.indexOf(this.current);
    if (!ids.length) return;
    this.choose(ids[(at + by + ids.length) % ids.length]);
    this.#cards.get(this.current).focus();
  }

  currentCall() { return this.views.get(this.current) ?? null; }

  // How this browser takes part in a call: listen, talk, whisper, or undefined.
  modeIn(id) { return this.handsets.find((handset) => handset.id === this.#own())?.calls[id]; }

  openTransfer(id) {
    const card = this.#cards.get(id), form = card.querySelector("form.transfer"), button = card.querySelector('[data-do="transfer"]');
    form.hidden = !form.hidden;
    button.setAttribute("aria-expanded", String(!form.hidden));
    (form.hidden ? button : card.querySelector(".transfer-to")).focus();
  }

  // ---- cards

  #make(id) {
    const card = this.#template.content.firstElementChild.cloneNode(true);
    card.dataset.call = id;
    card.classList.toggle("current", id === this.current);
    card.addEventListener("focusin", () => this.choose(id));
    card.addEventListener("pointerdown", () => this.choose(id));
    card.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-do]");
      if (button) this.#ask(id, button.dataset.do, card);
    });
    card.querySelector("form.transfer").addEventListener("submit", (event) => {
      event.preventDefault();
      const field = card.querySelector(".transfer-to");
      if (!field.value.trim()) return field.focus();
      this.#tell("transfer", id, { target: field.value.trim() });
      this.openTransfer(id);
    });
    card.querySelector(".route").addEventListener("change", (event) => this.#tell("route", id, { route: event.target.value }));
    card.querySelector(".mode").addEventListener("change", (event) => this.#tell("mode", id, { mode: event.target.value }));
    this.#cards.set(id, card);
    this.#list.prepend(card);
    this.#empty.hidden = true;
    return card;
  }

  #ask(id, what, card) {
    const call = this.views.get(id);
    if (what === "transfer") return this.openTransfer(id);
    if (what === "transfer-call") return this.#tell("transfer_to", id, { other: card.querySelector(".transfer-call").value });
    if (what === "hold") return this.#tell("hold", id, { on: !call.held_by.includes("local") });
    if (what === "mute") return this.#tell("mute", id, { on: !call.muted });
    this.#tell(what, id, {});
  }

  #tell(what, call, values) { this.dispatchEvent(new CustomEvent("do", { detail: { what, call, values } })); }

  #renderAll() {
    for (const [id, card] of this.#cards) this.#update(card, this.views.get(id));
  }

  #update(card, call) {
    const one = (selector) => card.querySelector(selector), held = call.held_by;
    const incoming = call.state === "incoming", active = call.state === "active", alive = running(call);
    let [words, mark] = STATES[call.state] ?? [call.state, ""];
    if (active && held.length) [words, mark] = [held.includes("local") ? "on hold" : "holds us", "held"];
    if (call.end) words = call.end.reason === "hangup" ? "ended" : call.end.reason.replaceAll("_", " ");
    setText(one(".way"), call.direction === "in" ? "↙" : "↗");
    setText(one(".name"), nameOf(call));
    setText(one(".detail"), detailOf(call));
    setText(one(".state"), words);
    one(".state").dataset.state = mark;
    card.classList.toggle("ended", !alive);
    card.setAttribute("aria-label", `Call with ${nameOf(call)}, ${words}`);
    showIf(card, { answer: incoming, reject: incoming, hangup: alive && !incoming, hold: active, mute: active, transfer: active });
    press(one('[data-do="hold"]'), held.includes("local"), "Resume", "Hold");
    press(one('[data-do="mute"]'), call.muted, "Unmute", "Mute");
    one(".meters").hidden = !active;
    one(".sound").hidden = !alive || incoming;
    if (!active) one("form.transfer").hidden = true;
    this.#updateSound(card, call);
    this.#updateOthers(card, call);
    if (call.end) setText(one(".figures"), sentence(call.end.cause));
    else if (!active) setText(one(".figures"), "");
  }

  #updateSound(card, call) {
    const route = card.querySelector(".route"), mode = this.modeIn(call.id), options = this.#routes(call, mode);
    fill(route, options);
    if (this.#busy.has(call.id)) return; // what was chosen is on its way
    const own = call.audio.route === "device" ? deviceValue(call.audio) : call.audio.route;
    route.value = mode ? (call.audio.route === "null" ? "browser" : "also") : own;
    card.querySelector(".mode-label").hidden = !mode;
    if (mode) card.querySelector(".mode").value = mode;
  }

  #routes(call, mode) {
    const options = [["browser", "This browser"]];
    if (call.audio.route === "device" || mode && call.audio.route !== "null") options.push(["also", "This browser, beside the sound card"]);
    options.push(["device:", "The phone's sound card"]);
    for (const device of this.#devices) options.push([`device:${device.name}`, `Sound card: ${device.description || device.name}`]);
    const own = deviceValue(call.audio);
    if (call.audio.route === "device" && !options.some(([value]) => value === own)) options.push([own, `Sound card: ${call.audio.output || call.audio.input}`]);
    if (call.audio.route === "file") options.push(["file", "A file speaks"]);
    options.push(["null", "Nowhere"]);
    return options;
  }

  #updateOthers(card, call) {
    const others = [...this.views.values()].filter((other) => other.id !== call.id && other.state === "active");
    for (const part of card.querySelectorAll(".attended")) part.hidden = others.length === 0;
    fill(card.querySelector(".transfer-call"), others.map((other) => [other.id, nameOf(other)]));
  }

  // ---- what changes all the time

  figures(all) {
    for (const [id, found] of Object.entries(all)) {
      const card = this.#cards.get(id), call = this.views.get(id);
      if (!card || call?.state !== "active") continue;
      Object.assign(call, { duration_s: found.duration_s, seen_ms: Date.now() });
      showLevel(card.querySelector(".far"), found.far_dbfs);
      showLevel(card.querySelector(".near"), found.near_dbfs);
      setText(card.querySelector(".figures"), [qualityOf(found), this.#company(id)].filter(Boolean).join(" · "));
    }
  }

  #company(id) {
    const there = this.handsets.filter((handset) => handset.id !== this.#own() && handset.calls[id]);
    return there.map((handset) => `${handset.name || handset.id} ${{ talk: "talks", listen: "listens", whisper: "whispers" }[handset.calls[id]]}`).join(", ");
  }

  #tick() {
    for (const [id, card] of this.#cards) {
      const call = this.views.get(id), clock = card.querySelector(".clock");
      if (!call.answered) { setText(clock, ""); continue; }
      const passed_s = call.state === "active" ? (Date.now() - call.seen_ms) / 1000 : 0;
      setText(clock, timeOf(call.duration_s + passed_s));
    }
  }
}

function detailOf(call) {
  const user = userOf(call.remote), parts = [];
  if (call.remote_name && user !== call.remote_name) parts.push(user);
  parts.push(call.direction === "in" ? `to ${call.account}` : `as ${call.account}`);
  if (call.conference) parts.push(`in conference ${call.conference}`);
  if (call.codec) parts.push(`${call.codec.toLowerCase()}${call.srtp ? ", encrypted" : ""}`);
  return parts.join(" · ");
}

function qualityOf(found) {
  const parts = [];
  if (found.mos != null) parts.push(`MOS ${found.mos.toFixed(1)}`);
  if (found.loss_percent != null) parts.push(`loss ${found.loss_percent.toFixed(1)} %`);
  if (found.jitter_ms != null) parts.push(`jitter ${found.jitter_ms.toFixed(0)} ms`);
  if (found.rtt_ms != null) parts.push(`round trip ${found.rtt_ms.toFixed(0)} ms`);
  return parts.join(" · ");
}

function timeOf(seconds) {
  const whole = Math.max(0, Math.floor(seconds)), two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600), rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

const deviceValue = (audio) => `device:${audio.output || audio.input || ""}`;
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function showIf(card, shown) {
  for (const [name, on] of Object.entries(shown)) {
    const button = card.querySelector(`button[data-do="${name}"]`), focused = button === document.activeElement;
    if (button.hidden === !on) continue;
    button.hidden = !on;
    if (focused && !on) card.focus();
  }
}

function press(button, on, whenOn, whenOff) {
  button.setAttribute("aria-pressed", String(on));
  setText(button, on ? whenOn : whenOff);
}

export function showLevel(element, dbfs) {
  const level = Math.max(-60, Math.min(0, dbfs ?? -60));
  element.firstElementChild.style.setProperty("--part", `${((level + 60) / 0.6).toFixed(0)}%`);
  element.setAttribute("aria-valuenow", level.toFixed(0));
}

export function setText(element, text) { if (element.textContent !== text) element.textContent = text; }

// Options as [value, text]; left alone where nothing changed, so that an open list stays open.
export function fill(select, options) {
  const mark = JSON.stringify(options);
  if (select.dataset.mark === mark) return;
  const before = select.value;
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  select.dataset.mark = mark;
  if (options.some(([value]) => value === before)) select.value = before;
}
