#include "pcmport.hpp"

#include <pjsua-lib/pjsua.h>

#include "mixerport.hpp"
#include "pcmstate.hpp"

#define THIS_FILE "pcmport.cpp"

namespace pj {

namespace {

bool valid(const PcmPortConfig &c)
{
    /* Upper bounds keep the arithmetic and the memory sane; they are far beyond any use. */
    return c.clockRate >= 8000 && c.clockRate <= 192000 && c.channelCount >= 1 && c.channelCount <= 2 &&
           c.ptimeUsec >= 5000 && c.ptimeUsec <= 200000 && c.rxBufMs <= 600000 && c.txBufMs <= 600000 &&
           (!c.hearDigits || (c.channelCount == 1 && DigitDetector::supports(c.clockRate))) && c.rxNotifyMs <= 600000 && c.txPrefillMs <= 600000 && c.txMaxMs <= 600000 && c.txLowMs <= 600000;
}

PcmPortStat since(PcmPortStat now, const PcmPortStat &base)
{
    now.framesPut -= base.framesPut;
    now.framesGet -= base.framesGet;
    now.framesSilent -= base.framesSilent;
    now.rxOverruns -= base.rxOverruns;
    now.txUnderruns -= base.txUnderruns;
    now.txIdle -= base.txIdle;
    now.txDroppedBytes -= base.txDroppedBytes;
    now.txPlayedBytes -= base.txPlayedBytes;
    now.wakeups -= base.wakeups;
    now.late15 -= base.late15;
    now.late20 -= base.late20;
    return now;
}

} // namespace

PcmPortConfig::PcmPortConfig()
    : clockRate(16000), channelCount(1), ptimeUsec(20000), rxBufMs(1000), txBufMs(1000), rxNotifyMs(20), txPrefillMs(0),
      txMaxMs(0), txLowMs(0), rxFillSilence(true), hearDigits(false)
{
}

PcmPort::PcmPort() {}

PcmPort::~PcmPort()
{
    close();
}

std::shared_ptr<PcmPortState> PcmPort::state() const
{
    std::lock_guard<std::mutex> hold(guard_);
    return state_;
}

bool PcmPort::isOpen() const
{
    return state() != nullptr;
}

int PcmPort::open(const std::string &name, const PcmPortConfig &config, PcmHub *hub) PJSUA2_THROW(Error)
{
    if (isOpen()) { PJSUA2_RAISE_ERROR(PJ_EEXISTS); }
    if (!valid(config)) { PJSUA2_RAISE_ERROR(PJ_EINVAL); }
    if (!mixerIsUp()) { PJSUA2_RAISE_ERROR(PJ_EINVALIDOP); }
    registerThisThread();

    auto fresh = std::make_shared<PcmPortState>(config, hub ? hub->state : nullptr);
    if (hub) {
        fresh->slot = hub->state->join(fresh);
        if (fresh->slot < 0) { PJSUA2_RAISE_ERROR(PJ_ETOOMANY); }
    }
    fresh->pool = pj_pool_create(portPools(), "pcm%p", 1024, 1024, NULL);
    pj_status_t status = PJ_ENOMEM;
    if (fresh->pool) {
        MixerPort<PcmPortState>::describe(*fresh, name, PJMEDIA_SIG_CLASS_APP('P', 'C', 'M'),
                                          config.clockRate, config.channelCount, (unsigned)(fresh->frameBytes / 2));
        status = MixerPort<PcmPortState>::enter(fresh);
    }
    if (status != PJ_SUCCESS) {
        if (hub) hub->state->leave(fresh->slot);
        PJSUA2_RAISE_ERROR(status);
    }
    std::lock_guard<std::mutex> hold(guard_);
    id = fresh->portId;
    state_ = fresh;
    return id;
}

void PcmPort::close()
{
    std::shared_ptr<PcmPortState> old;
    {
        std::lock_guard<std::mutex> hold(guard_);
        old.swap(state_);
        id = PJSUA_INVALID_ID;
    }
    if (!old) return;
    if (old->hub) old->hub->leave(old->slot);
    MixerPort<PcmPortState>::leave(*old);
}

unsigned PcmPort::write(const void *data, size_t n)
{
    auto s = state();
    if (!s) return 0;
    std::lock_guard<std::mutex> hold(s->app);
    return (unsigned)s->write(data, n);
}

unsigned PcmPort::readRaw(void *into, size_t size)
{
    auto s = state();
    if (!s) return 0;
    std::lock_guard<std::mutex> hold(s->app);
    return (unsigned)s->read(into, size);
}

bool PcmPort::takeDigit(HeardDigit &digit)
{
    auto s = state();
    if (!s || !s->digits) return false;
    std::lock_guard<std::mutex> hold(s->app);
    return s->digits->take(digit);
}

unsigned PcmPort::readable() const
{
    auto s = state();
    return s ? (unsigned)s->rx.level() : 0;
}

unsigned PcmPort::writable() const
{
    auto s = state();
    if (!s) return 0;
    std::lock_guard<std::mutex> hold(s->app);
    return (unsigned)s->tx.room();
}

unsigned PcmPort::frameBytes() const
{
    auto s = state();
    return s ? (unsigned)s->frameBytes : 0;
}

void PcmPort::notifyDrained()
{
    auto s = state();
    if (s) s->armDrained();
}

unsigned PcmPort::takeEvents()
{
    auto s = state();
    return s ? s->events.exchange(0) : 0;
}

void PcmPort::flushTx()
{
    auto s = state();
    if (!s) return;
    std::lock_guard<std::mutex> hold(s->app);
    s->tx.skip();
}

void PcmPort::flushRx()
{
    auto s = state();
    if (!s) return;
    std::lock_guard<std::mutex> hold(s->app);
    s->read(nullptr, s->rx.level());
}

PcmPortStat PcmPort::stat() const
{
    auto s = state();
    if (!s) return PcmPortStat{};
    std::lock_guard<std::mutex> hold(s->app);
    return since(s->absolute(), s->base);
}

void PcmPort::resetStat()
{
    auto s = state();
    if (!s) return;
    std::lock_guard<std::mutex> hold(s->app);
    s->forgetLongest.store(true);
    s->base = s->absolute();
}

} // namespace pj
