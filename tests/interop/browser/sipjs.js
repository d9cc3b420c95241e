// The phone of a SIP.js user, for tests: sipjs.py drives it by window.phone, and is told by window.tell.
import { Web } from "sip.js";

const AUDIO = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
let manager;
let session;

const tell = (type, more = {}) => window.tell({ type, ...more });

// what became of a request: the code and reason of every response
const answersOf = (method) => {
  const heard = ({ message }) => tell("response", { method, code: message.statusCode, reason: message.reasonPhrase });
  return { onTrying: heard, onProgress: heard, onAccept: heard, onReject: heard };
};

// what a NOTIFY says of a transfer (RFC 3515): the status line of the call there
const tellProgress = (notification) => {
  notification.accept();
  tell("transfer", { code: Number(notification.request.body.split(" ")[1]) });
};

const delegate = {
  onServerConnect: () => tell("connected"),
  onServerDisconnect: (error) => tell("disconnected", { error: error ? error.message : "" }),
  onRegistered: () => tell("registered"),
  onUnregistered: () => tell("unregistered"),
  onCallCreated: (created) => {
    session = created;
  },
  onCallReceived: (received) => tell("ringing", { from: received.remoteIdentity.uri.user }),
  onCallAnswered: () => tell("answered"),
  onCallHangup: () => tell("ended"),
  onCallHold: (_, held) => tell("held", { held }),
  onCallDTMFReceived: (_, digit) => tell("digit", { digit }),
};

window.phone = {
  async register({ url, user, domain, password, dtmfByRtp }) {
    manager = new Web.SessionManager(url, {
      aor: `sip:${user}@${domain}`,
      delegate,
      media: {
        constraints: { audio: AUDIO, video: false },
        remote: { audio: document.getElementById("remote") },
      },
      reconnectionAttempts: 0,
      registrationRetry: false,
      registererRegisterOptions: { requestDelegate: answersOf("REGISTER") },
      sendDTMFUsingSessionDescriptionHandler: dtmfByRtp,
      userAgentOptions: {
        authorizationUsername: user,
        authorizationPassword: password,
        logLevel: "debug",
        sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { iceServers: [] } },
      },
    });
    await manager.connect();
    await manager.register();
  },
  call: async (uri) => void (await manager.call(uri, {}, { requestDelegate: answersOf("INVITE") })),
  answer: () => manager.answer(session),
  decline: () => manager.decline(session),
  hangup: () => manager.hangup(session),
  hold: () => manager.hold(session),
  unhold: () => manager.unhold(session),
  mute: () => manager.mute(session),
  unmute: () => manager.unmute(session),
  digit: (digit) => manager.sendDTMF(session, digit),
  transfer: (uri) => manager.transfer(session, uri, { requestDelegate: answersOf("REFER"), onNotify: tellProgress }),
  unregister: () => manager.unregister(),
  disconnect: () => manager.disconnect(),
};
