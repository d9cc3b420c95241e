#include "portkit.hpp"

#include <mutex>

#include <pjsua-lib/pjsua.h>

namespace pj {

void registerThisThread()
{
    static thread_local pj_thread_desc description;
    static thread_local pj_thread_t *thread;
    if (pjsua_get_state() == PJSUA_STATE_NULL || pj_thread_is_registered()) return;
    pj_bzero(description, sizeof(description));
    pj_thread_register("python", description, &thread);
}

pj_pool_factory *portPools()
{
    static pj_caching_pool pools;
    static std::once_flag once;
    std::call_once(once, [] { pj_caching_pool_init(&pools, NULL, 4 * 1024 * 1024); });
    return &pools.factory;
}

bool mixerIsUp()
{
    pjsua_state state = pjsua_get_state();
    return state != PJSUA_STATE_NULL && state != PJSUA_STATE_CLOSING;
}

} // namespace pj
