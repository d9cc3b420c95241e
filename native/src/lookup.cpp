#include "lookup.hpp"

#include <pjsua-lib/pjsua.h>

#include <arpa/inet.h>
#include <netdb.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace pj {

namespace {

const size_t WORKERS = 4, QUEUED = 64;

/* One name. It belongs to the queue, then to a worker, then to the timer that ends it in the SIP thread. */
struct Lookup {
    pj_timer_entry timer;
    pjsip_host_info target; /* addr.host points into `host` */
    std::string host;
    std::string found; /* numeric; empty: no address */
    void *token;
    pjsip_resolver_callback *done;
    unsigned era;
};

struct Lookups {
    std::mutex lock;
    std::condition_variable news;
    std::deque<std::unique_ptr<Lookup>> queue;
    size_t workers = 0, idle = 0;
    unsigned era = 0; /* counts endpoints: an answer for one that is gone is dropped */
    bool open = false;
    pjsip_resolver_t *numeric = nullptr;
};

Lookups &lookups()
{
    static Lookups *all = new Lookups; /* never destroyed: a worker may outlive main() in its last look-up */
    return *all;
}

std::string firstAddress(const std::string &host, int family)
{
    struct addrinfo hints = {}, *found = nullptr;
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return "";
    char text[NI_MAXHOST] = "";
    if (found) getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), nullptr, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
    return text;
}

std::string addressOf(const Lookup &lookup)
{
    bool six = lookup.target.type & PJSIP_TRANSPORT_IPV6;
    std::string found = firstAddress(lookup.host, six ? AF_INET6 : AF_INET);
    return found.empty() ? firstAddress(lookup.host, six ? AF_INET : AF_INET6) : found;
}

void complete(pj_pool_t *pool, const pjsip_host_info *target, void *token, pjsip_resolver_callback *done)
{
    pjsip_resolve(lookups().numeric, pool, target, token, done);
}

void fail(void *token, pjsip_resolver_callback *done)
{
    pjsip_server_addresses none;
    pj_bzero(&none, sizeof(none));
    (*done)(PJ_ERESOLVE, token, &none);
}

/* The SIP thread. */
void onFound(pj_timer_heap_t *, pj_timer_entry *entry)
{
    std::unique_ptr<Lookup> lookup((Lookup *)entry->user_data);
    pj_pool_t *pool = lookup->found.empty() ? nullptr : pjsua_pool_create("lookup", 512, 512);
    if (!pool) {
        fail(lookup->token, lookup->done);
        return;
    }
    lookup->target.addr.host = pj_str(&lookup->found[0]);
    complete(pool, &lookup->target, lookup->token, lookup->done);
    pj_pool_release(pool);
}

void registerThread()
{
    static thread_local pj_thread_desc description;
    static thread_local pj_thread_t *thread;
    if (pj_thread_is_registered()) return;
    pj_bzero(description, sizeof(description));
    pj_thread_register("lookup", description, &thread);
}

/* The caller holds the lock, so that the endpoint cannot go meanwhile (see onEndpointGone). */
void handOver(std::unique_ptr<Lookup> lookup)
{
    registerThread();
    pj_timer_entry_init(&lookup->timer, 1, lookup.get(), &onFound);
    pj_time_val now = {0, 0};
    if (pjsip_endpt_schedule_timer(pjsua_get_pjsip_endpt(), &lookup->timer, &now) == PJ_SUCCESS) lookup.release();
}

void work()
{
    Lookups &all = lookups();
    std::unique_lock<std::mutex> hold(all.lock);
    for (;;) {
        ++all.idle;
        all.news.wait(hold, [&] { return !all.queue.empty(); });
        --all.idle;
        std::unique_ptr<Lookup> lookup = std::move(all.queue.front());
        all.queue.pop_front();
        hold.unlock();
        lookup->found = addressOf(*lookup);
        hold.lock();
        if (all.open && lookup->era == all.era) handOver(std::move(lookup));
    }
}

/* Whether it was taken. */
bool enqueue(std::unique_ptr<Lookup> lookup)
{
    Lookups &all = lookups();
    std::lock_guard<std::mutex> hold(all.lock);
    if (!all.open || all.queue.size() >= QUEUED) return false;
    if (all.idle <= all.queue.size() && all.workers < WORKERS) {
        std::thread(&work).detach();
        ++all.workers;
    }
    lookup->era = all.era;
    all.queue.push_back(std::move(lookup));
    all.news.notify_one();
    return true;
}

void onEndpointGone(pjsip_endpoint *)
{
    std::lock_guard<std::mutex> hold(lookups().lock);
    lookups().open = false;
    lookups().queue.clear();
}

bool isAddress(const std::string &host)
{
    unsigned char ignored[16];
    return inet_pton(AF_INET, host.c_str(), ignored) == 1 || inet_pton(AF_INET6, host.c_str(), ignored) == 1;
}

} // namespace

void startLookups(pjsip_resolver_t *numeric)
{
    std::lock_guard<std::mutex> hold(lookups().lock);
    lookups().numeric = numeric;
    lookups().open = true;
    ++lookups().era;
    pjsip_endpt_atexit(pjsua_get_pjsip_endpt(), &onEndpointGone);
}

void lookUp(pj_pool_t *pool, const pjsip_host_info *target, void *token, pjsip_resolver_callback *done)
{
    std::string host(target->addr.host.ptr, (size_t)target->addr.host.slen);
    if (isAddress(host)) {
        complete(pool, target, token, done);
        return;
    }
    auto lookup = std::make_unique<Lookup>();
    lookup->target = *target;
    lookup->host = host;
    lookup->token = token;
    lookup->done = done;
    if (!enqueue(std::move(lookup))) fail(token, done);
}

} // namespace pj
