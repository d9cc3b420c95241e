#include "voiceport.hpp"

#include <errno.h>

#include <pjsua-lib/pjsua.h>

#include "mixerport.hpp"
#include "voicestate.hpp"

#define THIS_FILE "voiceport.cpp"

namespace pj {

namespace {

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
    MixerPort<VoiceState>::describe(*fresh, name, PJMEDIA_SIG_CLASS_APP('V', 'C', 'E'),
                                    config.clockRate, 1, (unsigned)fresh->frameSamples);
    PJSUA2_CHECK_EXPR(MixerPort<VoiceState>::enter(fresh));
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
    MixerPort<VoiceState>::leave(*old);
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
