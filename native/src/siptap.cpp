#include "siptap.hpp"
#include "siptapqueue.hpp"

#include <pjsua-lib/pjsua.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#define THIS_FILE "siptap.cpp"

namespace pj {

namespace {

const size_t OVERHEAD = 256; /* what an entry costs beside its text, bytes */

struct Tap {
    std::atomic<bool> open{false};
    std::atomic<unsigned long long> lost{0};
    int fd = -1;
    std::mutex lock; /* of what follows */
    std::deque<TapEntry> waiting;
    size_t bytes = 0, maxMessages = 0, maxBytes = 0;
};

Tap &tap()
{
    static Tap only;
    return only;
}

long long nowUsec()
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

const char *nameOf(const pjsip_transport *transport)
{
    switch (transport->key.type & ~PJSIP_TRANSPORT_IPV6) {
    case PJSIP_TRANSPORT_UDP: return "udp";
    case PJSIP_TRANSPORT_TCP: return "tcp";
    case PJSIP_TRANSPORT_TLS: return "tls";
    }
    return transport->type_name;
}

/* A socket bound to all addresses has none of its own: then the name under which PJSIP announces it. */
void localOf(const pjsip_transport *transport, TapEntry &entry)
{
    char text[PJ_INET6_ADDRSTRLEN + 10];
    const pj_sockaddr &address = transport->local_addr;
    entry.localPort = transport->local_name.port;
    if (!pj_sockaddr_has_addr(&address)) {
        entry.local.assign(transport->local_name.host.ptr, (size_t)transport->local_name.host.slen);
        return;
    }
    entry.local = pj_sockaddr_print(&address, text, sizeof(text), 0);
    if (pj_sockaddr_get_port(&address)) entry.localPort = pj_sockaddr_get_port(&address);
}

void keep(TapEntry &entry)
{
    size_t size = entry.text.size() + OVERHEAD;
    Tap &t = tap();
    bool first;
    {
        std::lock_guard<std::mutex> hold(t.lock);
        if (!t.open) return; /* closed meanwhile */
        if (t.waiting.size() >= t.maxMessages || t.bytes + size > t.maxBytes) {
            t.lost.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        entry.usec = nowUsec(); /* here, so that the order of the queue is that of the times */
        first = t.waiting.empty();
        t.waiting.push_back(std::move(entry));
        t.bytes += size;
    }
    uint64_t one = 1;
    if (first && ::write(t.fd, &one, sizeof(one)) < 0) {
        /* Only a counter near 2^64 can refuse, and then the descriptor is readable anyway. */
    }
}

pj_bool_t onReceived(pjsip_rx_data *rdata)
{
    if (!tap().open.load(std::memory_order_relaxed)) return PJ_FALSE;
    TapEntry entry;
    entry.sent = false;
    entry.transport = nameOf(rdata->tp_info.transport);
    localOf(rdata->tp_info.transport, entry);
    entry.remote = rdata->pkt_info.src_name;
    entry.remotePort = rdata->pkt_info.src_port;
    entry.text.assign(rdata->msg_info.msg_buf, (size_t)rdata->msg_info.len);
    keep(entry);
    return PJ_FALSE; /* others shall have it too */
}

pj_status_t onSent(pjsip_tx_data *tdata)
{
    if (!tap().open.load(std::memory_order_relaxed)) return PJ_SUCCESS;
    TapEntry entry;
    entry.sent = true;
    entry.transport = nameOf(tdata->tp_info.transport);
    localOf(tdata->tp_info.transport, entry);
    entry.remote = tdata->tp_info.dst_name;
    entry.remotePort = tdata->tp_info.dst_port;
    entry.text.assign(tdata->buf.start, (size_t)(tdata->buf.cur - tdata->buf.start));
    keep(entry);
    return PJ_SUCCESS;
}

char moduleName[] = "mod-softphone-tap";

/* Below the module that writes messages out: on the way in the first to see them, on the way out the last. */
pjsip_module tapModule = {
    nullptr, nullptr,                       /* prev, next */
    {moduleName, sizeof(moduleName) - 1},   /* name */
    -1,                                     /* id */
    PJSIP_MOD_PRIORITY_TRANSPORT_LAYER - 1, /* priority */
    nullptr, nullptr, nullptr, nullptr,     /* load, start, stop, unload */
    &onReceived, &onReceived,               /* on_rx_request, on_rx_response */
    &onSent, &onSent,                       /* on_tx_request, on_tx_response */
    nullptr,                                /* on_tsx_state */
};

} // namespace

std::deque<TapEntry> takeTapped()
{
    Tap &t = tap();
    std::deque<TapEntry> taken;
    uint64_t count;
    std::lock_guard<std::mutex> hold(t.lock);
    if (t.fd >= 0 && ::read(t.fd, &count, sizeof(count)) < 0) {
        /* Nothing was signalled: a caller that came by itself. */
    }
    taken.swap(t.waiting);
    t.bytes = 0;
    return taken;
}

void installTap() PJSUA2_THROW(Error)
{
    Tap &t = tap();
    if (t.fd < 0) t.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (t.fd < 0) { PJSUA2_RAISE_ERROR(PJ_STATUS_FROM_OS(errno)); }
    PJSUA2_CHECK_EXPR(pjsip_endpt_register_module(pjsua_get_pjsip_endpt(), &tapModule));
}

void openTap(unsigned maxMessages, unsigned long long maxBytes)
{
    Tap &t = tap();
    std::lock_guard<std::mutex> hold(t.lock);
    t.maxMessages = maxMessages;
    t.maxBytes = (size_t)maxBytes;
    t.open = true;
}

void closeTap()
{
    Tap &t = tap();
    {
        std::lock_guard<std::mutex> hold(t.lock);
        t.open = false;
    }
    takeTapped();
}

int tapDescriptor()
{
    return tap().fd;
}

unsigned long long tapLost()
{
    return tap().lost.load();
}

} // namespace pj
