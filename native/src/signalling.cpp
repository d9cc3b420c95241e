#include "signalling.hpp"

#include "lookup.hpp"

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>
#include <tuple>

#define THIS_FILE "signalling.cpp"

namespace pj {

namespace {

using Key = std::tuple<std::string, unsigned, int>; /* host in lower case, port, transport type without the v6 flag */

struct Pins {
    std::mutex lock; /* held for a map look-up only: the SIP thread never waits for Python here */
    std::map<Key, pj_sockaddr> table;
};

Pins &pins()
{
    static Pins all;
    return all;
}

std::string lower(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

int transportType(const std::string &name)
{
    if (name == "udp") return PJSIP_TRANSPORT_UDP;
    if (name == "tcp") return PJSIP_TRANSPORT_TCP;
    if (name == "tls") return PJSIP_TRANSPORT_TLS;
    return PJSIP_TRANSPORT_UNSPECIFIED;
}

bool lookUp(const pjsip_host_info *target, pj_sockaddr &found)
{
    std::string host(target->addr.host.ptr, (size_t)target->addr.host.slen);
    int type = target->type & ~PJSIP_TRANSPORT_IPV6;
    std::lock_guard<std::mutex> hold(pins().lock);
    auto it = pins().table.find(Key(lower(host), (unsigned)target->addr.port, type));
    if (it == pins().table.end()) return false;
    found = it->second;
    return true;
}

void resolve(pjsip_resolver_t *, pj_pool_t *pool, const pjsip_host_info *target, void *token,
             pjsip_resolver_callback *done)
{
    pjsip_server_addresses result;
    pj_bzero(&result, sizeof(result));
    pj_sockaddr address;
    if (!lookUp(target, address)) {
        pj::lookUp(pool, target, token, done);
        return;
    }
    int type = target->type & ~PJSIP_TRANSPORT_IPV6;
    if (address.addr.sa_family == pj_AF_INET6()) type |= PJSIP_TRANSPORT_IPV6;
    result.count = 1;
    result.entry[0].type = (pjsip_transport_type_e)type;
    result.entry[0].addr = address;
    result.entry[0].addr_len = (int)pj_sockaddr_get_len(&address);
    (*done)(PJ_SUCCESS, token, &result);
}

pjsip_transport *transportOf(int accountId)
{
    /* The caller holds PJSUA_LOCK. */
    if (!pjsua_acc_is_valid(accountId) || !pjsua_var.acc[accountId].regc) return nullptr;
    pjsip_regc_info info;
    if (pjsip_regc_get_info(pjsua_var.acc[accountId].regc, &info) != PJ_SUCCESS) return nullptr;
    return info.transport;
}

bool srtpInfo(int callId, unsigned mediaIndex, pjmedia_srtp_info &found)
{
    pjmedia_transport_info info;
    pjmedia_transport_info_init(&info);
    if (pjsua_call_get_med_transport_info(callId, mediaIndex, &info) != PJ_SUCCESS) return false;
    for (unsigned i = 0; i < info.specific_info_cnt; ++i) {
        if (info.spc_info[i].type != PJMEDIA_TRANSPORT_TYPE_SRTP) continue;
        pj_memcpy(&found, info.spc_info[i].buffer, sizeof(found));
        return true;
    }
    return false;
}

} // namespace

void installPins() PJSUA2_THROW(Error)
{
    pj_pool_t *pool = pjsua_pool_create("pins", 512, 512);
    if (!pool) { PJSUA2_RAISE_ERROR(PJ_ENOMEM); }
    pjsip_resolver_t *numeric = nullptr; /* lives in that pool of the endpoint */
    PJSUA2_CHECK_EXPR(pjsip_resolver_create(pool, &numeric));
    startLookups(numeric);
    static pjsip_ext_resolver external = {&resolve};
    PJSUA2_CHECK_EXPR(pjsip_endpt_set_ext_resolver(pjsua_get_pjsip_endpt(), &external));
}

void pinAddress(const std::string &host, unsigned port, const std::string &transport, const std::string &address,
                unsigned addressPort) PJSUA2_THROW(Error)
{
    int type = transportType(transport);
    if (type == PJSIP_TRANSPORT_UNSPECIFIED) { PJSUA2_RAISE_ERROR(PJ_EINVAL); }
    pj_str_t text = pj_str(const_cast<char *>(address.c_str()));
    pj_sockaddr parsed;
    int family = address.find(':') == std::string::npos ? pj_AF_INET() : pj_AF_INET6();
    PJSUA2_CHECK_EXPR(pj_sockaddr_init(family, &parsed, &text, (pj_uint16_t)addressPort));
    std::lock_guard<std::mutex> hold(pins().lock);
    pins().table[Key(lower(host), port, type)] = parsed;
}

void unpinAddress(const std::string &host, unsigned port, const std::string &transport)
{
    std::lock_guard<std::mutex> hold(pins().lock);
    pins().table.erase(Key(lower(host), port, transportType(transport)));
}

void setKeepAlive(unsigned seconds)
{
    pjsip_cfg()->tcp.keep_alive_interval = seconds;
    pjsip_cfg()->tls.keep_alive_interval = seconds;
}

unsigned long long accountTransport(int accountId)
{
    PJSUA_LOCK();
    pjsip_transport *transport = transportOf(accountId);
    PJSUA_UNLOCK();
    return (unsigned long long)(size_t)transport;
}

bool closeAccountTransport(int accountId)
{
    PJSUA_LOCK();
    pjsip_transport *transport = transportOf(accountId);
    if (transport) pjsip_transport_add_ref(transport);
    PJSUA_UNLOCK();
    if (!transport) return false;
    /* Forced: the link is believed dead, so there is nothing to wait for. */
    pjsip_transport_shutdown2(transport, PJ_TRUE);
    pjsip_transport_dec_ref(transport);
    return true;
}

std::string srtpSuite(int callId, unsigned mediaIndex)
{
    pjmedia_srtp_info srtp;
    if (!srtpInfo(callId, mediaIndex, srtp) || !srtp.active) return "";
    return std::string(srtp.tx_policy.name.ptr, (size_t)srtp.tx_policy.name.slen);
}

std::string srtpKeying(int callId, unsigned mediaIndex)
{
    pjmedia_srtp_info srtp;
    if (!srtpInfo(callId, mediaIndex, srtp)) return "";
    if (srtp.keying == PJMEDIA_SRTP_KEYING_DTLS_SRTP) return "dtls";
    return srtp.keying == PJMEDIA_SRTP_KEYING_SDES && srtp.active ? "sdes" : "";
}

} // namespace pj
