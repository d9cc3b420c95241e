"""What Kamailio reads: a registrar and proxy for one domain, with rtpengine for the sound between its phones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

DOMAIN = "pbx.test"
USERS = ("901", "902", "903")

_CONFIG = Template("""#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
alias="$domain"
dns=no
rev_dns=no
use_dns_cache=off
enable_tls=yes
tcp_accept_no_cl=yes
tcp_connection_lifetime=3600
server_header="Server: Kamailio"
$listen

loadmodule "jsonrpcs.so"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
loadmodule "nathelper.so"
loadmodule "rtpengine.so"
loadmodule "tls.so"
loadmodule "xlog.so"
loadmodule "xhttp.so"
loadmodule "websocket.so"

modparam("jsonrpcs", "transport", 4)
modparam("jsonrpcs", "dgram_socket", "$folder/rpc.sock")
modparam("pv", "shvset", "out_of_order=i:0")
modparam("usrloc", "db_mode", 0)
modparam("registrar", "default_expires", 300)
modparam("registrar", "min_expires", 10)
modparam("registrar", "max_expires", 3600)
modparam("registrar", "outbound_mode", 1)
modparam("registrar", "flow_timer", 25)
modparam("registrar", "gruu_enabled", 1)
modparam("registrar", "received_avp", "$$avp(received)")
modparam("nathelper", "received_avp", "$$avp(received)")
modparam("auth", "nonce_expire", 60)
modparam("auth", "qop", "auth")
modparam("rr", "enable_full_lr", 0)
modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:$control")
modparam("tls", "config", "$folder/tls.cfg")
modparam("tls", "low_mem_threshold1", 0)
modparam("tls", "low_mem_threshold2", 0)
modparam("websocket", "keepalive_mechanism", 1)
modparam("websocket", "keepalive_timeout", 30)

request_route {
    if ($$shv(out_of_order) == 1) { sl_send_reply("503", "Out of Order"); exit; }
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    force_rport();
    if ($$proto =~ "^ws") setflag(1);
    if (is_method("OPTIONS") && uri == myself && $$rU == $$null) { sl_send_reply("200", "Alive"); exit; }
    if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
    t_check_trans();
    $$var(password) = "secret-" + $$au;
    if (is_method("REGISTER")) route(REGISTER);
    # the phones' Contact headers tell addresses behind NATs: each is noted with where its message came from
    add_contact_alias();
    if (has_totag()) {
        if (!loose_route() && !is_method("ACK")) { sl_send_reply("404", "Not Here"); exit; }
        handle_ruri_alias();
        if (is_method("INVITE|UPDATE")) record_route();
        route(RELAY);
    }
    remove_hf("Route");
    if (!pv_proxy_authenticate("$domain", "$$var(password)", "0")) { proxy_challenge("$domain", "1"); exit; }
    consume_credentials();
    record_route();
    if (!lookup("location")) { send_reply("480", "Temporarily Unavailable"); exit; }
    route(RELAY);
}

route[REGISTER] {
    if (!pv_www_authenticate("$domain", "$$var(password)", "0")) { www_challenge("$domain", "1"); exit; }
    fix_nated_register();
    if (!save("location")) sl_reply_error();
    exit;
}

route[RELAY] {
    if (is_method("INVITE|UPDATE")) t_on_branch("OFFER");
    if (is_method("BYE|CANCEL")) rtpengine_delete();
    t_on_reply("ANSWER");
    if (!t_relay()) sl_reply_error();
    exit;
}

branch_route[OFFER] {
    $$var(from_ws) = 0;
    $$var(to_ws) = 0;
    if (isflagset(1)) $$var(from_ws) = 1;
    if ($$nh(P) =~ "^ws" || $$ru =~ "transport=ws" || $$du =~ "transport=ws") $$var(to_ws) = 1;
    route(MEDIA);
}

onreply_route[ANSWER] {
    if ($$rs < 300) add_contact_alias();
    $$var(from_ws) = 0;
    $$var(to_ws) = 0;
    if ($$proto =~ "^ws") $$var(from_ws) = 1;
    if (isflagset(1)) $$var(to_ws) = 1;
    route(MEDIA);
}

# who is at a WebSocket gets ICE and DTLS-SRTP, whoever is not gets neither
route[MEDIA] {
    if (!has_body("application/sdp")) return;
    $$var(way) = "replace-origin replace-session-connection ICE=remove";
    if ($$var(from_ws) == 1 && $$var(to_ws) == 0)
        $$var(way) = "replace-origin replace-session-connection RTP/AVP ICE=remove rtcp-mux-demux";
    if ($$var(to_ws) == 1 && $$var(from_ws) == 0)
        $$var(way) = "replace-origin replace-session-connection UDP/TLS/RTP/SAVPF ICE=force SDES-off rtcp-mux-require";
    if ($$var(to_ws) == 1 && $$var(from_ws) == 1)
        $$var(way) = "replace-origin replace-session-connection ICE=force rtcp-mux-require";
    rtpengine_manage("$$var(way)");
}

event_route[xhttp:request] {
    set_reply_close();
    set_reply_no_connect();
    if ($$Rp != $wss || $$hu != "/ws") { xhttp_reply("404", "Not Found", "", ""); exit; }
    if ($$hdr(Upgrade) =~ "websocket" && ws_handle_handshake()) exit;
    xhttp_reply("403", "Forbidden", "", "");
}
""")

_TLS = Template("""[server:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
certificate = $folder/good.crt
private_key = $folder/good.key

[client:default]
verify_certificate = no
""")


@dataclass(frozen=True)
class Ports:
    """`sip` is UDP and TCP; `control` is rtpengine's; `wss` is SIP over secure WebSocket, path /ws."""

    sip: int
    tls: int
    control: int
    wss: int


def write(folder: Path, addresses: Sequence[str], ports: Ports) -> Path:
    """Writes the configuration for these local addresses; returns the main file. Certificates are there already."""
    hosts = [f"[{address}]" if ":" in address else address for address in addresses]
    listen = [f"listen={kind}:{host}:{ports.sip}" for host in hosts for kind in ("udp", "tcp")]
    listen += [f"listen=tls:{host}:{port}" for host in hosts for port in (ports.tls, ports.wss)]
    (folder / "tls.cfg").write_text(_TLS.substitute(folder=folder))
    main = folder / "kamailio.cfg"
    values = {"domain": DOMAIN, "folder": folder, "control": ports.control, "wss": ports.wss}
    main.write_text(_CONFIG.substitute(values, listen="\n".join(listen)))
    return main
