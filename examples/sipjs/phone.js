// A phone on a web page: SIP over secure WebSocket and WebRTC, by SIP.js. The page's own backend says who it is.
import { Web } from "sip.js";

const show = (id, shown) => (document.getElementById(id).hidden = !shown);
const say = (id, text) => (document.getElementById(id).textContent = text);
const press = (id, pressed) => document.getElementById(id).setAttribute("aria-pressed", pressed);
const onClick = (id, act) => document.getElementById(id).addEventListener("click", () => act().catch(explain));

let phone; // SIP.js
let call; // the call that the buttons are for
let domain;

const address = (number) => `sip:${number}@${domain}`;

// What is behind the usual failures; everything else as it comes.
function explain(error) {
  const causes = {
    NotAllowedError: "the browser was not allowed to use the microphone",
    NotFoundError: "there is no microphone",
  };
  say("trouble", causes[error.name] ?? error.message);
}

// Somebody rings, a call goes on (or is on its way out), or neither.
function showCall(ringing) {
  show("incoming", Boolean(call) && ringing);
  show("call", Boolean(call) && !ringing);
}

const delegate = {
  onServerDisconnect: (error) => {
    say("state", "not connected");
    if (error) say("trouble", `no connection: is the domain right, and its certificate trusted? (${error.message})`);
  },
  onRegistered: () => say("state", "registered"),
  onUnregistered: () => say("state", "not registered"),
  onCallCreated: (session) => {
    call = session;
    say("trouble", "");
    showCall(false);
  },
  onCallReceived: (session) => {
    say("caller", `${session.remoteIdentity.uri.user} calls`);
    showCall(true);
  },
  onCallAnswered: () => {
    say("state", "in a call");
    showCall(false);
  },
  onCallHold: (_, held) => press("hold", held),
  onCallHangup: () => {
    call = undefined;
    say("state", "registered");
    for (const id of ["hold", "mute"]) press(id, false);
    showCall(false);
  },
};

async function start() {
  // The PBX's API token stays with the backend: a page gets one extension's credentials and nothing else.
  const answer = await fetch("api/my-backend/sip-credentials");
  if (!answer.ok) throw new Error(`the backend gives no credentials (${answer.status})`);
  const { extension, password, user_context, server } = await answer.json();
  domain = user_context;
  say("account", `${extension}@${domain}`);
  phone = new Web.SessionManager(server ?? `wss://${domain}/`, {
    aor: address(extension),
    delegate,
    maxSimultaneousSessions: 1,
    media: { remote: { audio: document.getElementById("remote") } },
    registererRegisterOptions: {
      requestDelegate: {
        onReject: ({ message }) => say("trouble", `not registered: ${message.statusCode} ${message.reasonPhrase}`),
      },
    },
    sendDTMFUsingSessionDescriptionHandler: true, // RFC 4733, in the media; without it, SIP INFO
    userAgentOptions: {
      authorizationUsername: extension,
      authorizationPassword: password,
      logLevel: "warn",
      sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { iceServers: [] } },
    },
  });
  await phone.connect();
  await phone.register();
}

function makeKeys() {
  for (const digit of "123456789*0#") {
    const key = document.createElement("button");
    key.textContent = digit;
    key.addEventListener("click", () => phone.sendDTMF(call, digit).catch(explain));
    document.getElementById("keys").append(key);
  }
}

const refused = ({ message }) => say("trouble", `${message.statusCode} ${message.reasonPhrase}`);
const number = () => document.getElementById("number").value.trim();

document.getElementById("dial").addEventListener("submit", (event) => {
  event.preventDefault();
  phone.call(address(number()), {}, { requestDelegate: { onReject: refused } }).catch(explain);
});
onClick("answer", () => phone.answer(call));
onClick("decline", () => phone.decline(call));
onClick("hangup", () => phone.hangup(call));
onClick("hold", () => (phone.isHeld(call) ? phone.unhold(call) : phone.hold(call)));
onClick("mute", async () => {
  if (phone.isMuted(call)) phone.unmute(call);
  else phone.mute(call);
  press("mute", phone.isMuted(call));
});
onClick("transfer", async () => {
  const onNotify = (progress) => {
    progress.accept();
    const [, code, reason] = /^SIP\/2.0 (\d+) (.*)/.exec(progress.request.body) ?? [];
    if (code >= 300) say("trouble", `not transferred: ${code} ${reason.trim()}`);
    else if (code >= 200) phone.hangup(call).catch(explain); // it is answered there: we are done
  };
  await phone.transfer(call, address(number()), { requestDelegate: { onReject: refused }, onNotify });
});

makeKeys();
start().catch(explain);
