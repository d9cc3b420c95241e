#include "nat.hpp"

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include <map>
#include <mutex>
#include <set>

namespace pj {

namespace {

struct Settings {
    std::mutex lock;
    std::map<int, AccountNat> table;
    std::set<std::string> texts; /* PJSIP keeps pointers into a transport's settings for as long as it lives */
};

Settings &settings()
{
    static Settings all;
    return all;
}

/* The caller holds the lock. */
pj_str_t lasting(const std::string &text)
{
    const std::string &kept = *settings().texts.insert(text).first;
    return pj_str(const_cast<char *>(kept.c_str()));
}

int family(const std::string &address)
{
    return address.find(':') == std::string::npos ? pj_AF_INET() : pj_AF_INET6();
}

bool isLoopback(const pj_sockaddr &address)
{
    if (address.addr.sa_family == pj_AF_INET()) return (pj_ntohl(address.ipv4.sin_addr.s_addr) >> 24) == 127;
    static const pj_in6_addr one = {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}};
    return pj_memcmp(&address.ipv6.sin6_addr, &one, sizeof(one)) == 0;
}

/* Media keeps to the IP version of the account's SIP. PJSIP adds the other one, and forgets where to bind to. */
void keepToVersion(pjsua_acc_id accountId, pj_ice_strans_cfg *config)
{
    if (config->af != pj_AF_INET6()) return;
    for (unsigned i = 0; i < config->stun_tp_cnt; ++i) {
        if (config->stun_tp[i].af == config->af) config->stun_tp[0] = config->stun_tp[i];
    }
    config->stun_tp_cnt = 1;
    const pj_str_t &bound = pjsua_var.acc[accountId].cfg.rtp_cfg.bound_addr;
    pj_sockaddr &address = config->stun_tp[0].cfg.bound_addr;
    if (bound.slen) pj_sockaddr_init(config->af, &address, &bound, pj_sockaddr_get_port(&address));
}

void useStun(const AccountNat &nat, pj_ice_strans_cfg *config)
{
    for (unsigned i = 0; i < config->stun_tp_cnt; ++i) {
        pj_ice_strans_stun_cfg &stun = config->stun_tp[i];
        stun.ignore_stun_error = PJ_TRUE;
        /* Bound to loopback, that is the only address there is */
        stun.loop_addr = isLoopback(stun.cfg.bound_addr);
        if (nat.stunAddress.empty() || family(nat.stunAddress) != stun.af) continue;
        stun.server = lasting(nat.stunAddress);
        stun.port = (pj_uint16_t)nat.stunPort;
    }
}

void useTls(const AccountNat &nat, pj_turn_sock_tls_cfg &tls)
{
    tls.ca_list_file = lasting(nat.tlsCaFile);
    tls.ssock_param.verify_peer = nat.tlsVerify;
    tls.ssock_param.server_name = lasting(nat.tlsName);
    tls.ssock_param.proto = PJ_SSL_SOCK_PROTO_TLS1_2 | PJ_SSL_SOCK_PROTO_TLS1_3;
}

pj_turn_tp_type turnTransport(const std::string &name)
{
    return name == "tls" ? PJ_TURN_TP_TLS : name == "tcp" ? PJ_TURN_TP_TCP : PJ_TURN_TP_UDP;
}

void useTurn(const AccountNat &nat, pj_ice_strans_cfg *config)
{
    config->turn_tp_cnt = !nat.turnAddress.empty() && family(nat.turnAddress) == config->af;
    if (!config->turn_tp_cnt) return;
    pj_ice_strans_turn_cfg &turn = config->turn_tp[0];
    pj_ice_strans_turn_cfg_default(&turn);
    turn.af = config->af;
    turn.server = lasting(nat.turnAddress);
    turn.port = (pj_uint16_t)nat.turnPort;
    turn.conn_type = turnTransport(nat.turnTransport);
    turn.auth_cred.type = PJ_STUN_AUTH_CRED_STATIC;
    turn.auth_cred.data.static_cred.realm = pj_str(const_cast<char *>("*"));
    turn.auth_cred.data.static_cred.username = lasting(nat.turnUser);
    turn.auth_cred.data.static_cred.data_type = PJ_STUN_PASSWD_PLAIN;
    turn.auth_cred.data.static_cred.data = lasting(nat.turnPassword);
    turn.cfg.max_pkt_size = PJMEDIA_MAX_MRU;
    turn.cfg.bound_addr = config->stun_tp[0].cfg.bound_addr;
    pj_sockaddr_set_port(&turn.cfg.bound_addr, 0);
    if (turn.conn_type == PJ_TURN_TP_TLS) useTls(nat, turn.cfg.tls_cfg);
}

/* PJSIP is about to make a media transport; `config` is nullptr for plain UDP. */
void hook(pjsua_acc_id accountId, pj_ice_strans_cfg *config, unsigned *options)
{
    std::lock_guard<std::mutex> hold(settings().lock);
    auto it = settings().table.find(accountId);
    if (it == settings().table.end()) return;
    const AccountNat &nat = it->second;
    if (!nat.symmetric) *options |= PJMEDIA_ICE_NO_SRC_ADDR_CHECKING;
    if (!config) return;
    if (!nat.session) *options |= PJMEDIA_ICE_NO_SESSION;
    keepToVersion(accountId, config);
    useStun(nat, config);
    useTurn(nat, config);
}

std::string stateName(pj_ice_strans_state state)
{
    switch (state) {
    case PJ_ICE_STRANS_STATE_INIT: return "init";
    case PJ_ICE_STRANS_STATE_READY: return "ready";
    case PJ_ICE_STRANS_STATE_SESS_READY: return "ready";
    case PJ_ICE_STRANS_STATE_NEGO: return "negotiating";
    case PJ_ICE_STRANS_STATE_RUNNING: return "running";
    case PJ_ICE_STRANS_STATE_FAILED: return "failed";
    default: return "";
    }
}

std::string typeName(pj_ice_cand_type type)
{
    switch (type) {
    case PJ_ICE_CAND_TYPE_HOST: return "host";
    case PJ_ICE_CAND_TYPE_SRFLX: return "srflx";
    case PJ_ICE_CAND_TYPE_PRFLX: return "prflx";
    case PJ_ICE_CAND_TYPE_RELAYED: return "relay";
    default: return "";
    }
}

std::string addressText(const pj_sockaddr &address)
{
    char text[PJ_INET6_ADDRSTRLEN + 10];
    return pj_sockaddr_print(&address, text, sizeof(text), 3);
}

void describe(const pjmedia_ice_transport_info &ice, IcePath &path)
{
    path.session = ice.active;
    path.state = stateName(ice.sess_state);
    if (!ice.comp_cnt || !pj_sockaddr_has_addr(&ice.comp[0].lcand_addr)) return;
    path.localType = typeName(ice.comp[0].lcand_type);
    path.localAddress = addressText(ice.comp[0].lcand_addr);
    if (!pj_sockaddr_has_addr(&ice.comp[0].rcand_addr)) return;
    path.remoteType = typeName(ice.comp[0].rcand_type);
    path.remoteAddress = addressText(ice.comp[0].rcand_addr);
}

} // namespace

void installNat(unsigned gatherMsec)
{
    pj_ice_strans_gather_msec = gatherMsec;
    pjsua_media_transport_hook = &hook;
}

void setAccountNat(int accountId, const AccountNat &nat)
{
    {
        std::lock_guard<std::mutex> hold(settings().lock);
        settings().table[accountId] = nat;
    }
    PJSUA_LOCK();
    if (pjsua_acc_is_valid(accountId)) {
        pjsua_acc_config &config = pjsua_var.acc[accountId].cfg;
        config.use_stream_ka = nat.keepAliveSec > 0;
        if (nat.keepAliveSec) config.stream_ka_cfg.ka_interval = nat.keepAliveSec;
    }
    PJSUA_UNLOCK();
}

IcePath icePath(int callId, unsigned mediaIndex)
{
    IcePath path;
    pjmedia_transport_info info;
    pjmedia_transport_info_init(&info);
    if (pjsua_call_get_med_transport_info(callId, mediaIndex, &info) != PJ_SUCCESS) return path;
    for (unsigned i = 0; i < info.specific_info_cnt; ++i) {
        if (info.spc_info[i].type == PJMEDIA_TRANSPORT_TYPE_ICE)
            describe(*(const pjmedia_ice_transport_info *)info.spc_info[i].buffer, path);
    }
    return path;
}

} // namespace pj
