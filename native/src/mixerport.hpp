/* How a port of ours lives on the mixer: the same for every kind of state behind it.
 *
 * A State has `port`, `pool`, `portId`, `put(frame)` and `get(frame)`. Two hold it: the object that Python knows, and the
 * mixer, by a shared_ptr on the heap in port_data.pdata. */
#ifndef SOFTPHONE_MIXERPORT_HPP
#define SOFTPHONE_MIXERPORT_HPP

#include <memory>
#include <string>

#include <pjsua-lib/pjsua.h>

#include "portkit.hpp"

namespace pj {

template <class State> struct MixerPort {
    /* What the mixer sees of the state; its pool must be there. `sign` is one of PJMEDIA_SIG_CLASS_APP. */
    static void describe(State &state, const std::string &name, unsigned sign, unsigned clockRate, unsigned channels,
                         unsigned samplesPerFrame)
    {
        pj_str_t stored;
        pj_strdup2_with_null(state.pool, &stored, name.c_str());
        pjmedia_port_info_init(&state.port.info, &stored, sign, clockRate, channels, 16, samplesPerFrame);
        state.port.put_frame = &onPut;
        state.port.get_frame = &onGet;
        state.port.on_destroy = &onDestroy;
    }

    /* Adds the port to the mixer; on failure nothing is left of it. */
    static pj_status_t enter(const std::shared_ptr<State> &state)
    {
        state->port.port_data.pdata = new std::shared_ptr<State>(state);
        pj_status_t status = pjmedia_port_init_grp_lock(&state->port, state->pool, NULL);
        if (status != PJ_SUCCESS) {
            onDestroy(&state->port);
            return status;
        }
        pjsua_conf_port_id id = PJSUA_INVALID_ID;
        status = pjsua_conf_add_port(state->pool, &state->port, &id);
        if (status != PJ_SUCCESS) {
            pjmedia_port_destroy(&state->port);
            return status;
        }
        state->portId = id;
        return PJ_SUCCESS;
    }

    static void leave(State &state)
    {
        if (mixerIsUp()) {
            registerThisThread();
            pjsua_conf_remove_port(state.portId);
        }
        pjmedia_port_destroy(&state.port); /* our hold; the mixer lets go of its own when it has removed the port */
    }

private:
    static std::shared_ptr<State> &held(pjmedia_port *port)
    {
        return *(std::shared_ptr<State> *)port->port_data.pdata;
    }

    static pj_status_t onPut(pjmedia_port *port, pjmedia_frame *frame)
    {
        held(port)->put(frame);
        return PJ_SUCCESS;
    }

    static pj_status_t onGet(pjmedia_port *port, pjmedia_frame *frame)
    {
        held(port)->get(frame);
        return PJ_SUCCESS;
    }

    static pj_status_t onDestroy(pjmedia_port *port)
    {
        pj_pool_t *pool = held(port)->pool;
        delete &held(port); /* may free *port */
        pj_pool_release(pool);
        return PJ_SUCCESS;
    }
};

} // namespace pj

#endif
