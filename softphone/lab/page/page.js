"use strict";

const BASE = "/lab/v1";
const SHOWN_EVENTS = 300;
const ACTIONS = ["forget-registrations", "expire-nonces", "expire-tokens", "drop-connections", "drop-live", "freeze", "thaw"];
const BAD = new Set(["registration_failed", "garbage", "webhook_failed", "live_refused"]);

const $ = (id) => document.getElementById(id);
let kinds = {};

// Text never becomes markup: everything shown comes from phones and clients that may say anything.
function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

function button(text, act, label = "") {
  const element = make("button", text);
  element.type = "button";
  if (label) element.setAttribute("aria-label", label);
  element.addEventListener("click", act);
  return element;
}

function row(...cells) {
  const element = make("tr");
  for (const cell of cells) {
    const td = make("td");
    td.append(cell ?? "");
    element.append(td);
  }
  return element;
}

async function ask(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const response = await fetch(BASE + path, options);
  const text = await response.text();
  const answer = text ? JSON.parse(text) : null;
  if (!response.ok) throw new Error(answer?.detail ?? `HTTP ${response.status}`);
  return answer;
}

let hiding;
function tell(text) {
  const message = $("message");
  message.textContent = text;
  message.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { message.hidden = true; }, 6000);
}

const doing = (action) => async (event) => {
  event?.preventDefault();
  try {
    await action(event);
    await refresh();
  } catch (error) {
    tell(error.message);
  }
};

// The state: asked for after every event, but not more than a few times a second

let asked = false, asking = false;
function soon() {
  if (asked) return;
  asked = true;
  setTimeout(async () => {
    asked = false;
    if (asking) return soon();
    try { await refresh(); } catch (error) { tell(error.message); }
  }, 150);
}

async function refresh() {
  asking = true;
  try { show(await ask("GET", "/state")); } finally { asking = false; }
}

function show(state) {
  showTenants(state);
  $("calls-count").textContent = `${state.calls_live} live, ${state.calls_total} in all`;
  $("calls").replaceChildren(...state.calls.sort((a, b) => b.started_at - a.started_at).map(callRow));
  $("faults").replaceChildren(...state.faults.map(faultRow));
}

function showTenants(state) {
  const open = new Set([...document.querySelectorAll("#tenants details[open]")].map((each) => each.dataset.domain));
  const first = !$("tenants").children.length;
  const contacts = new Map();
  for (const each of state.registrations) {
    const key = `${each.extension}@${each.domain}`;
    contacts.set(key, [...(contacts.get(key) ?? []), `${each.transport} ${each.source} ${each.user_agent}`.trim()]);
  }
  $("tenants").replaceChildren(...state.tenants.map((tenant, n) => {
    const details = make("details");
    details.dataset.domain = tenant.domain;
    details.open = first ? n === 0 : open.has(tenant.domain);
    const up = tenant.extensions.filter((each) => each.registered).length;
    details.append(make("summary", `${tenant.domain}: ${tenant.extensions.length} extensions, ${up} registered`));
    const list = make("dl");
    for (const name of ["domain_uuid", "api_token", "refresh_token", "user_uuid"]) {
      const value = make("dd");
      value.append(make("code", tenant[name]));
      list.append(make("dt", name), value);
    }
    for (const [number, extension] of Object.entries(tenant.dids)) {
      list.append(make("dt", `DID ${number}`), make("dd", `rings ${extension}`));
    }
    for (const order of state.pending.filter((each) => each.domain === tenant.domain)) {
      const value = make("dd", `${order.location}, ${order.country}, for ${order.extension} `);
      const accept = doing(() => ask("POST", `/orders/${order.id}/accept`));
      value.append(button("accept", accept, `Accept order ${order.id}`));
      list.append(make("dt", `DID order ${order.id}`), value);
    }
    const table = make("table");
    table.innerHTML = "<thead><tr><th>extension</th><th>password</th><th>state</th><th>phone</th></tr></thead>";
    const body = make("tbody");
    body.append(...tenant.extensions.map((each) => {
      const state = !each.enabled ? "disabled" : each.registered ? "registered" : "not registered";
      const phone = (contacts.get(`${each.extension}@${each.domain}`) ?? []).join(", ");
      const mark = make("span", state, each.registered ? "on" : each.enabled ? "" : "off");
      const element = row(each.extension, make("code", each.password), mark, phone);
      element.dataset.extension = each.extension;
      return element;
    }));
    table.append(body);
    details.append(list, table);
    return details;
  }));
  const select = $("originate").domain;
  if (select.options.length !== state.tenants.length) {
    select.replaceChildren(...state.tenants.map((each) => make("option", each.domain)));
  }
}

function callRow(call) {
  const end = call.state === "finished" ? `${call.cause}${call.code ? ` ${call.code}` : ""}` : "";
  const kill = call.state === "finished" ? "" :
    button("hang up", doing(() => ask("DELETE", `/calls/${call.uuid}`)), `Hang up ${call.caller} to ${call.callee}`);
  const talk = call.answered_at === null ? "" : `${Math.round(call.talk_s)} s`;
  const element = row(make("span", call.state, call.state), call.caller, call.callee, call.domain, talk, end, kill);
  element.dataset.state = call.state;
  return element;
}

function faultRow(fault) {
  const left = fault.times === null ? "always" : String(Math.max(0, fault.times - fault.struck));
  const remove = button("clear", doing(() => ask("DELETE", `/faults/${fault.id}`)), `Clear fault ${fault.id}`);
  return row(fault.part, fault.kind, left, String(fault.probability), String(fault.struck), remove);
}

// Events

function line(event) {
  const element = make("li");
  const clock = new Date(event.at * 1000).toLocaleTimeString();
  const words = Object.entries(event.data).filter(([, value]) => value !== "" && value !== null)
    .map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`).join(" ");
  element.append(`${clock} `, make("b", event.name.replaceAll("_", " "), BAD.has(event.name) ? "bad" : ""), ` ${words}`);
  element.hidden = !shown(element);
  return element;
}

const shown = (element) => element.textContent.includes($("filter").text.value);

function arrived(event) {
  $("events").prepend(line(event));
  while ($("events").children.length > SHOWN_EVENTS) $("events").lastChild.remove();
  // a request that changes something has an event of its own
  if (event.name !== "api_request") soon();
}

function follow(since, names) {
  const source = new EventSource(`${BASE}/events/stream?since=${since}`);
  const state = (text) => { $("feed").dataset.state = text; $("feed").textContent = text; };
  source.onopen = () => { state("live"); soon(); };
  source.onerror = () => state("connecting");
  for (const name of names) source.addEventListener(name, (message) => arrived(JSON.parse(message.data)));
}

// Forms

function fields(form) {
  const values = {};
  for (const element of form.elements) {
    if (!element.name) continue;
    if (element.type === "checkbox") values[element.name] = element.checked;
    else if (element.value !== "") values[element.name] = element.type === "number" ? Number(element.value) : element.value;
  }
  return values;
}

function fillKinds() {
  const form = $("fault");
  form.kind.replaceChildren(...Object.keys(kinds[form.part.value]).map((each) => make("option", each)));
  explain();
}

function explain() {
  const form = $("fault");
  $("fault-text").textContent = `${form.part.value}: ${kinds[form.part.value][form.kind.value]}`;
}

async function start() {
  const about = await ask("GET", "");
  const { host, ...ports } = about.sip;
  $("about").textContent = `API ${about.api_url} · SIP ${host} ` +
    Object.entries(ports).map(([name, port]) => `${name} ${port}`).join(", ");
  kinds = await ask("GET", "/faults/kinds");
  $("fault").part.replaceChildren(...Object.keys(kinds).map((each) => make("option", each)));
  $("fault").part.addEventListener("change", fillKinds);
  $("fault").kind.addEventListener("change", explain);
  fillKinds();
  $("fault").addEventListener("submit", doing(() => ask("POST", "/faults", fields($("fault")))));
  $("clear-faults").addEventListener("click", doing(() => ask("DELETE", "/faults")));
  $("originate").addEventListener("submit", doing(() => ask("POST", "/calls", fields($("originate")))));
  $("filter").addEventListener("submit", (event) => event.preventDefault());
  $("filter").text.addEventListener("input", () => {
    for (const each of $("events").children) each.hidden = !shown(each);
  });
  $("actions").append(...ACTIONS.map((each) =>
    button(each.replaceAll("-", " "), doing(() => ask("POST", `/actions/${each}`, {})))));
  const past = await ask("GET", "/events?limit=1000");
  for (const event of past.events.slice(-SHOWN_EVENTS)) $("events").prepend(line(event));
  await refresh();
  follow(past.sequence, about.events);
}

start().catch((error) => tell(error.message));
