#include "voiceport.hpp"

#include <errno.h>

#include <pjsua-lib/pjsua.h>

#include "portkit.hpp"
#include "voicestate.hpp"

#define THIS_FILE "voiceport.cpp"

namespace pj {

namespace {

/* port_data.pdata is a shared_ptr on the heap: the mixer's hold on the state. */
std::shared_ptr<VoiceState> &held(pjmedia_port *port)
{
    return *(std::shared_ptr<VoiceState> *)port->port_data.pdata;
}

pj_status_t onPut(pjmedia_port *port, pjmedia_frame *frame)
{
    held(port)->put(frame);
    return PJ_SUCCESS;
}

pj_status_t onGet(pjmedia_port *port, pjmedia_frame *frame)
{
    held(port)->get(frame);
    return PJ_SUCCESS;
}

pj_status_t onDestroy(pjmedia_port *port)
{
    pj_pool_t *pool = held(port)->pool;
    delete &held(port); /* may free *port */
    pj_pool_release(pool);
    return PJ_SUCCESS;
}

bool valid(const VoicePortConfig &c)
{
    bool opus = c.codec == VOICE_OPUS, wide = c.clockRate == 16000 || c.clockRate == 24000 || c.clockRate == 48000;
    return (opus || c.codec == VOICE_PCMU || c.codec == VOICE_PCMA) && (c.clockRate == 8000 || (opus && wide)) &&
           c.payloadType < 128 && c.eventsType >= -1 && c.eventsType < 128 && c.eventsRate >= 8000 &&
           c.eventsRate <= 48000 && c.bitrate >= 6000 && c.bitrate <= 510000 && c.complexity >= 0 &&
           c.complexity <= 10 && c.mostDelayMs >= 20 && c.mostDelayMs <= 1000 && c.leastDelayMs <= c.mostDelayMs;
}

/* The codec may keep memory of the pool, so it must go before the pool does: both go with the state and its port. */
bool equip(VoiceState &state)
{
    const VoicePortConfig &c = state.config;
    state.codec = c.codec == VOICE_OPUS ? openOpus(c.clockRate, c.bitrate, c.complexity)
                                        : openG711(c.codec == VOICE_PCMA, state.pool);
    if (!state.codec) return false;
    VoiceBuffer::Limits limits{c.leastDelayMs, c.mostDelayMs};
    state.buffer.reset(new VoiceBuffer(*state.codec, c.clockRate, limits));
    return true;
}

void describe(VoiceState &state, const std::string &name)
{
    pj_str_t stored;
    pj_strdup2_with_null(state.pool, &stored, name.c_str());
    pjmedia_port_info_init(&state.port.info, &stored, PJMEDIA_SIG_CLASS_APP('V', 'C', 'E'), state.config.clockRate, 1,
                           16, (unsigned)state.frameSamples);
    state.port.put_frame = &onPut;
    state.port.get_frame = &onGet;
    state.port.on_destroy = &onDestroy;
}

/* Adds the port to the mixer; on failure nothing is left of it. */
pj_status_t enterMixer(const std::shared_ptr<VoiceState> &state)
{
    state->port.port_data.pdata = new std::shared_ptr<VoiceState>(state);
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

} // namespace

VoicePortConfig::VoicePortConfig()
    : codec(VOICE_OPUS), clockRate(16000), payloadType(111), eventsType(-1), eventsRate(8000), ssrc(0), bitrate(28000),
      complexity(5), leastDelayMs(20), mostDelayMs(500)
{
}

VoiceHub::VoiceHub() PJSUA2_THROW(Error) : state(std::make_shared<VoiceHubState>())
{
    if (state->fd < 0) { PJSUA2_RAISE_ERROR(PJ_STATUS_FROM_OS(errno)); }
}

VoiceHub::~VoiceHub() {}

int VoiceHub::fileno() const
{
    return state->fd;
}

VoicePort::VoicePort() {}

VoicePort::~VoicePort()
{
    close();
}

std::shared_ptr<VoiceState> VoicePort::state() const
{
    std::lock_guard<std::mutex> hold(guard_);
    return state_;
}

int VoicePort::open(const std::string &name, const VoicePortConfig &config, VoiceHub &hub) PJSUA2_THROW(Error)
{
    if (state()) { PJSUA2_RAISE_ERROR(PJ_EEXISTS); }
    if (!valid(config)) { PJSUA2_RAISE_ERROR(PJ_EINVAL); }
    if (!mixerIsUp()) { PJSUA2_RAISE_ERROR(PJ_EINVALIDOP); }
    registerThisThread();

    auto fresh = std::make_shared<VoiceState>(config, hub.state);
    fresh->pool = pj_pool_create(portPools(), "voice%p", 2048, 2048, NULL);
    if (!fresh->pool) { PJSUA2_RAISE_ERROR(PJ_ENOMEM); }
    if (!equip(*fresh)) {
        pj_pool_release(fresh->pool);
        PJSUA2_RAISE_ERROR(PJ_ENOMEM);
    }
    describe(*fresh, name);
    PJSUA2_CHECK_EXPR(enterMixer(fresh));
    hub.state->join(fresh);
    std::lock_guard<std::mutex> hold(guard_);
    id = fresh->portId;
    state_ = fresh;
    return id;
}

void VoicePort::close()
{
    std::shared_ptr<VoiceState> old;
    {
        std::lock_guard<std::mutex> hold(guard_);
        old.swap(state_);
        id = PJSUA_INVALID_ID;
    }
    if (!old) return;
    old->hub->leave(old);
    if (mixerIsUp()) {
        registerThisThread();
        pjsua_conf_remove_port(old->portId);
    }
    pjmedia_port_destroy(&old->port); /* our hold; the mixer lets go of its own when it has removed the port */
}

unsigned VoicePort::receive(const void *data, size_t size)
{
    auto s = state();
    if (!s) return 0;
    std::lock_guard<std::mutex> hold(s->app);
    return s->receive((const uint8_t *)data, size);
}

bool VoicePort::sendDigit(char digit, unsigned durationMs)
{
    auto s = state();
    if (!s) return false;
    std::lock_guard<std::mutex> hold(s->app);
    return s->queueKey(digit, durationMs);
}

void VoicePort::expectLoss(int percent)
{
    auto s = state();
    if (s) s->loss.store(percent < 0 ? 0 : percent > 100 ? 100 : percent);
}

VoicePortStat VoicePort::stat() const
{
    auto s = state();
    if (!s) return VoicePortStat{};
    std::lock_guard<std::mutex> hold(s->app);
    return s->stat();
}

} // namespace pj
