// The page: what is pressed becomes commands, what is told becomes what is seen.

import { Calls, fill, nameOf, running, setText, showLevel } from "./calls.js";
import { Bell, explain, Handset } from "./handset.js";
import { Wire } from "./wire.js";

const at = (id) => document.getElementById(id);
const wire = new Wire();
const handset = new Handset(wire, at("ear"), () => ({ microphone: at("microphone").value, speaker: at("speaker").value, processing: at("processing").checked }));
const calls = new Calls(at("calls"), at("no-calls"), at("call-card"), () => handset.id);
const bell = new Bell();
const before = new Map(); // call -> the route it had before this browser took its sound
const accounts = new Map();
const COME_BACK_AFTER_MS = 500;
let comingBack = takeNote(); // the calls that this tab had the sound of before it was loaded again

// ---- notices: what went wrong, and what to do

function notice(key, what, advice = "", { bad = true, action = null } = {}) {
  const shown = [...at("notices").children].find((box) => box.dataset.key === key && box.dataset.what === what);
  if (shown) return setText(shown.querySelector("p"), advice); // neither told nor focused anew
  dismiss(key);
  const box = document.createElement("div"), text = document.createElement("div"), title = document.createElement("strong"), more = document.createElement("p");
  box.className = `notice${bad ? " bad" : ""}`;
  box.dataset.key = key;
  box.dataset.what = what;
  title.textContent = what;
  more.textContent = advice;
  text.append(title, more);
  box.append(text);
  if (action) box.append(button(action.label, action.run));
  box.append(button("Dismiss", () => box.remove()));
  at("notices").append(box);
}

function dismiss(key) {
  for (const box of at("notices").querySelectorAll(".notice")) if (box.dataset.key === key) box.remove();
}

function button(label, run) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", run);
  return made;
}

// What a command could not do is said; everything else goes on.
async function tried(work) {
  try {
    return await work;
  } catch (error) {
    notice("command", error.message, "", {});
    return null;
  }
}

// ---- the connection

wire.addEventListener("up", () => {
  show("phone");
  setLink("connected", "ok");
  dismiss("link");
});

wire.addEventListener("down", ({ detail }) => {
  const seconds = Math.max(1, Math.round(detail.wait_ms / 1000));
  setLink("no connection", "bad");
  const advice = `${detail.reason ? `It says: ${detail.reason}. ` : ""}Trying again in ${seconds} s. Calls go on meanwhile.`;
  notice("link", "The phone does not answer.", advice, { action: { label: "Try now", run: () => wire.retryNow() } });
});

wire.addEventListener("locked", () => {
  dismiss("link");
  setLink("locked", "bad");
  show("login");
  at("token").focus();
});

wire.addEventListener("message", ({ detail: message }) => {
  const take = { hello: greet, call: takeCall, account: takeAccount, handsets: takeHandsets, figures: takeFigures, event: takeEvent }[message.type];
  take?.(message);
});

function setLink(text, state) {
  setText(at("link"), text);
  at("link").dataset.state = state;
}

function show(part) {
  at("login").hidden = part !== "login";
  at("phone").hidden = at("logout").hidden = part !== "phone";
}

async function greet(hello) {
  accounts.clear();
  for (const account of hello.accounts) accounts.set(account.id, account);
  showAccounts();
  if (handset.id && !hello.handsets.some((each) => each.id === handset.id)) await handset.close();
  calls.reset(hello.calls, hello.handsets);
  ringIfNeeded();
  watchFigures();
  tried(wire.send("devices").then((devices) => calls.setDevices(devices.filter(isCard))));
  await goOn();
}

// After a reload in mid-call: the sound of the calls that this tab had comes back here.
async function goOn() {
  const { handset: former, calls: had } = comingBack;
  comingBack = { handset: null, calls: {} };
  if (former) await wire.send("handset_close", { handset: former }).catch(() => {}); // the phone may have noticed by itself
  const still = Object.entries(had).filter(([id]) => calls.views.has(id) && running(calls.views.get(id)));
  for (const [id, mode] of still) await takeSound(id, { mode, takeOver: false });
}

function takeNote() {
  const found = sessionStorage.getItem("handset");
  sessionStorage.removeItem("handset"); // a tab that is copied does not take the sound of the one that it is a copy of
  return found ? JSON.parse(found) : { handset: null, calls: {} };
}

addEventListener("pagehide", () => {
  const own = calls.handsets.find((each) => each.id === handset.id);
  if (own) sessionStorage.setItem("handset", JSON.stringify({ handset: own.id, calls: own.calls }));
  handset.close(); // told at once, or the phone would wait half a minute for the way to come back
});
addEventListener("online", () => wire.retryNow());
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
document.addEventListener("visibilitychange", () => { watchFigures(); if (!document.hidden) wire.retryNow(); });

// Of all that the sound system offers, what a person would choose: no converters that ALSA lists as devices.
const NO_CARDS = new Set(["jack", "lavrate", "null", "oss", "samplerate", "speex", "speexrate", "upmix", "vdownmix"]);
function isCard(device) { return device.inputs && device.outputs && !NO_CARDS.has(device.name); }

function watchFigures() { if (wire.up) tried(wire.send("figures", { on: !document.hidden })); }

// ---- news

function takeCall(message) {
  if (message.gone) return calls.gone(message.gone);
  calls.show(message.call);
  ringIfNeeded();
  if (message.call.state === "ended") before.delete(message.call.id);
}

function takeAccount(message) {
  if (message.gone) accounts.delete(message.gone); else accounts.set(message.account.id, message.account);
  showAccounts();
}

function takeHandsets(message) {
  calls.setHandsets(message.handsets);
  const own = message.handsets.find((each) => each.id === handset.id);
  if (!handset.id || handset.state === "connecting") return;
  if (!own) handset.close();
  else if (!handsetUsed()) handset.closeSoon(handsetUsed);
}

function handsetUsed() {
  const own = calls.handsets.find((each) => each.id === handset.id);
  return Boolean(own) && Object.keys(own.calls).length > 0;
}

function takeFigures(message) { calls.figures(message.calls); }

const TOLD = {
  "call.transfer": ({ state, target, code, reason }) => state === "failed" && `The transfer to ${target} failed: ${code} ${reason}.`,
  "call.hold_failed": ({ cause, reason }) => `The call could not be held or resumed: ${cause || reason}.`,
  "call.digits_failed": ({ cause }) => `The digits were not sent: ${cause}.`,
  "audio.failed": ({ cause }) => `The call's sound device or file cannot be used: ${cause}.`,
  "audio.device_lost": ({ device, cause }) => `The sound device ${device} stopped working: ${cause}.`,
  "agent.stopping": () => "The phone is stopping: it takes no new calls.",
};

function takeEvent({ event }) {
  if (event.type === "handset.closed" && event.handset === handset.id && event.reason !== "closed") handset.lose();
  const text = TOLD[event.type]?.(event);
  if (text) notice(event.type, text, "", { bad: event.type !== "agent.stopping" });
}

function ringIfNeeded() {
  const incoming = [...calls.views.values()].find((call) => call.state === "incoming");
  bell.ring(Boolean(incoming) && at("ringing").checked && handset.state === "off");
  document.title = incoming ? `☎ ${nameOf(incoming)} calls` : "softphone";
}

// ---- accounts

const ACCOUNT_STATES = { registered: "registered", registering: "registering…", failed: "not registered", unregistered: "not registered", unregistering: "signing off…", disabled: "off", not_registering: "ready, without registering" };

function showAccounts() {
  const sorted = [...accounts.values()].sort((one, other) => one.id.localeCompare(other.id));
  at("accounts").replaceChildren(...sorted.map(accountRow));
  fill(at("dial-account"), [["", "any"], ...sorted.map((account) => [account.id, account.display_name ? `${account.display_name} (${account.username})` : account.username])]);
}

function accountRow(account) {
  const row = document.createElement("li"), dot = document.createElement("span"), name = document.createElement("strong"), cause = document.createElement("span");
  row.dataset.state = account.state;
  row.dataset.account = account.id;
  dot.className = "dot";
  name.textContent = account.display_name ? `${account.display_name} · ${account.username}` : account.username;
  cause.className = "cause";
  const state = ACCOUNT_STATES[account.state] ?? account.state;
  const why = account.state === "failed" ? `: ${[account.cause, account.advice].filter(Boolean).join("; ")}` : "";
  cause.textContent = `${account.domain} · ${state}${why}`;
  const dnd = button("Do not disturb", () => tried(wire.send("dnd", { account: account.id, on: !account.dnd })));
  dnd.setAttribute("aria-pressed", String(account.dnd));
  row.append(dot, name, account.state === "failed" ? button("Try now", () => tried(wire.send("register", { account: account.id }))) : dnd, cause);
  return row;
}

// ---- calling

at("dial-form").addEventListener("submit", (event) => {
  event.preventDefault();
  dial();
});

async function dial() {
  const target = at("number").value.trim();
  if (!target) return at("number").focus();
  at("dial").disabled = true;
  try {
    const values = { target };
    if (at("dial-account").value) values.account = at("dial-account").value;
    if (at("dial-sound").value === "browser") {
      values.handset = await openHandset();
      if (!values.handset) return;
    }
    const call = await tried(wire.send("dial", values));
    if (!call) return;
    at("number").value = "";
    dismiss("command");
    calls.choose(call.id);
  } finally {
    at("dial").disabled = false;
    if (handset.state !== "off") handset.closeSoon(handsetUsed);
  }
}

// The id of this browser's handset; null, and a notice, where it cannot be had.
async function openHandset() {
  try {
    return await handset.open();
  } catch (error) {
    notice("handset", "This browser's sound could not be connected.", error.message);
    return null;
  }
}

async function takeSound(call, { mode = "talk", takeOver = true } = {}) {
  calls.setBusy(call, true);
  try {
    const id = await openHandset();
    const route = calls.views.get(call)?.audio;
    if (!id) return;
    if (takeOver && route && route.route !== "null") before.set(call, route);
    await tried(wire.send("handset_attach", { handset: id, call, mode, take_over: takeOver }));
  } finally {
    calls.setBusy(call, false);
  }
}

// To the sound card or nowhere. Without a route: back to where it was before.
async function giveSound(call, route = null) {
  const former = before.get(call);
  const values = route ?? (former?.route === "device" ? { route: "device", input: former.input, output: former.output } : { route: "null" });
  calls.setBusy(call, true);
  try {
    if (await tried(wire.send("audio", { call, ...values })) && calls.modeIn(call)) await tried(wire.send("handset_detach", { handset: handset.id, call }));
  } finally {
    calls.setBusy(call, false);
  }
}

calls.addEventListener("do", async ({ detail: { what, call, values } }) => {
  if (what === "answer") return answer(call);
  if (what === "route") return move(call, values.route);
  if (what === "mode") return tried(wire.send("handset_attach", { handset: handset.id, call, mode: values.mode }));
  await tried(wire.send(what, { call, ...values }));
});

async function answer(call) {
  const values = { call };
  if (at("dial-sound").value === "browser") {
    values.handset = await openHandset();
    if (!values.handset) delete values.handset; // the caller is not left waiting; the notice says why nobody hears
  }
  await tried(wire.send("answer", values));
}

function move(call, route) {
  if (route === "browser") return takeSound(call);
  if (route === "also") return takeSound(call, { takeOver: false });
  if (route === "null") return giveSound(call, { route: "null" });
  const device = route.slice("device:".length) || null;
  return giveSound(call, { route: "device", input: device, output: device });
}

// ---- the keypad

function press(key) {
  const call = calls.currentCall();
  if (call?.state === "active") return tried(wire.send("digits", { call: call.id, digits: key }));
  at("number").value += key;
}

for (const key of document.querySelectorAll("[data-key]")) key.addEventListener("click", () => press(key.dataset.key));
at("rub-out").addEventListener("click", () => { at("number").value = at("number").value.slice(0, -1); at("number").focus(); });

// ---- keys

function hotkey(key) {
  const call = calls.currentCall(), id = call?.id;
  const onCall = {
    a: () => call.state === "incoming" && answer(id),
    x: () => running(call) && tried(wire.send(call.state === "incoming" ? "reject" : "hangup", { call: id })),
    h: () => call.state === "active" && tried(wire.send("hold", { call: id, on: !call.held_by.includes("local") })),
    m: () => call.state === "active" && tried(wire.send("mute", { call: id, on: !call.muted })),
    t: () => call.state === "active" && calls.openTransfer(id),
    s: () => running(call) && (calls.modeIn(id) ? giveSound(id) : takeSound(id)),
  };
  const always = { "/": () => at("number").focus(), "?": () => at("help").showModal(), ArrowDown: () => calls.step(1), ArrowUp: () => calls.step(-1) };
  const run = always[key] ?? (call ? onCall[key.toLowerCase()] : null) ?? (/^[0-9*#]$/.test(key) ? () => press(key) : null);
  run?.();
  return Boolean(run);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || at("phone").hidden) return;
  if (event.key === "Escape" && event.target.closest(".transfer")) return calls.openTransfer(event.target.closest(".call").dataset.call);
  if (event.target.closest("input:not([type=checkbox]), select, textarea, dialog")) return;
  if (hotkey(event.key)) event.preventDefault();
});

// ---- this browser

handset.addEventListener("state", () => {
  const words = { off: "not in use", connecting: "connecting…", on: handset.deaf ? "hears only" : "connected" };
  setText(at("handset-state"), words[handset.state]);
  at("handset-state").dataset.state = handset.state === "on" && handset.deaf ? "held" : handset.state;
  if (handset.state === "on") dismiss("handset");
  if (handset.state === "on" && !handset.deaf) dismiss("microphone");
  ringIfNeeded();
});
handset.addEventListener("devices", showDevices);
handset.addEventListener("lost", ({ detail: id }) => {
  const had = calls.handsets.find((each) => each.id === id)?.calls ?? {};
  if (!Object.keys(had).length) return;
  comingBack = { handset: null, calls: { ...had } };
  notice("handset", "The sound connection to the phone broke.", "The call goes on, and its sound comes back here as soon as the phone can be reached.", { bad: false });
  if (wire.up) setTimeout(goOn, COME_BACK_AFTER_MS);
});
handset.addEventListener("trouble", ({ detail: error }) => {
  if (error.name === "Autoplay") return notice("autoplay", error.message, "", { bad: false, action: { label: "Let me hear", run: hear } });
  notice("microphone", ...explain(error), { action: { label: "Try again", run: tryAgain } });
});

async function hear() {
  dismiss("autoplay");
  await handset.play();
}

async function tryAgain() {
  dismiss("microphone");
  if (handset.state === "off") return tryMicrophone();
  await handset.useMicrophone();
}

async function showDevices() {
  const found = await handset.devices();
  for (const [id, kind, setting] of [["microphone", "audioinput"], ["speaker", "audiooutput"]].map(([id, kind]) => [id, kind, localStorage.getItem(id) ?? ""])) {
    const own = found.filter((device) => device.kind === kind && device.deviceId !== "default");
    fill(at(id), [["", "the usual one"], ...own.map((device, index) => [device.deviceId, device.label || `${id} ${index + 1}`])]);
    at(id).value = own.some((device) => device.deviceId === setting) ? setting : "";
  }
  at("speaker").disabled = !handset.speakers;
}

async function tryMicrophone() {
  at("try-microphone").disabled = true;
  setText(at("try-microphone"), "Say something…");
  try {
    const loudest = await handset.tryMicrophone(3000);
    dismiss("microphone");
    if (loudest <= -55) notice("microphone", "The microphone is silent.", "It may be switched off, or another one is meant: choose it above.", { bad: false });
    else notice("microphone", `The microphone works: ${loudest.toFixed(0)} dBFS at its loudest.`, "", { bad: false });
  } catch (error) {
    notice("microphone", ...explain(error), { action: { label: "Try again", run: tryMicrophone } });
  } finally {
    at("try-microphone").disabled = false;
    setText(at("try-microphone"), "Try the microphone");
  }
}

at("try-microphone").addEventListener("click", tryMicrophone);
at("microphone").addEventListener("change", () => { localStorage.setItem("microphone", at("microphone").value); handset.useMicrophone(); });
at("speaker").addEventListener("change", () => { localStorage.setItem("speaker", at("speaker").value); handset.useSpeaker(); });
for (const id of ["processing", "ringing"]) {
  at(id).checked = localStorage.getItem(id) !== "off";
  at(id).addEventListener("change", () => {
    localStorage.setItem(id, at(id).checked ? "on" : "off");
    if (id === "processing") handset.useMicrophone(); else ringIfNeeded();
  });
}
at("dial-sound").value = localStorage.getItem("dial-sound") ?? "browser";
at("dial-sound").addEventListener("change", () => localStorage.setItem("dial-sound", at("dial-sound").value));

setInterval(() => {
  if (document.hidden) return;
  showLevel(at("mic-level"), handset.level("mic"));
  showLevel(at("ear-level"), handset.level("ear"));
}, 120);

setInterval(async () => {
  const found = document.hidden ? null : await handset.figures();
  at("handset-figures").hidden = !found;
  if (found) setText(at("handset-figures"), `To this browser: loss ${found.loss_percent.toFixed(1)} %, jitter ${found.jitter_ms.toFixed(0)} ms${found.rtt_ms === null ? "" : `, round trip ${found.rtt_ms.toFixed(0)} ms`}`);
}, 1000);

// ---- login, theme, help

at("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  setText(at("login-error"), "");
  let answered;
  try {
    answered = await fetch("v1/login", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token: at("token").value }) });
  } catch {
    return setText(at("login-error"), "The phone does not answer. Is it running?");
  }
  if (!answered.ok) {
    const problem = await answered.json().catch(() => ({}));
    return setText(at("login-error"), sentence(problem.detail ?? `The phone answered ${answered.status}.`));
  }
  at("token").value = "";
  wire.start();
});

at("logout").addEventListener("click", async () => {
  await handset.close();
  wire.stop();
  await fetch("v1/logout", { method: "POST" }).catch(() => {});
  location.reload();
});

const THEMES = ["auto", "light", "dark"];
function useTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = name;
  setText(at("theme"), `Theme: ${name}`);
}
at("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(localStorage.getItem("theme") ?? "auto") + 1) % THEMES.length];
  localStorage.setItem("theme", next);
  useTheme(next);
});
useTheme(THEMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto");
at("help-open").addEventListener("click", () => at("help").showModal());

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

if (!window.isSecureContext) notice("microphone", ...explain({ name: "InsecureContext" }));
showDevices();
wire.start();
