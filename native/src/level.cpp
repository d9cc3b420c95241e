#include "level.hpp"

#include <atomic>

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <pjsua-lib/pjsua.h>

#include "mixerport.hpp"
#include "pcmstate.hpp"
#include "talk.hpp"

#define THIS_FILE "level.cpp"

namespace pj {

struct BellState {
    BellState() : fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    ~BellState()
    {
        if (fd >= 0) ::close(fd);
    }
    void ring()
    {
        if (rung_.exchange(true)) return;
        uint64_t one = 1;
        ssize_t written = ::write(fd, &one, sizeof(one));
        (void)written; /* it cannot be full: it is written once until it is read */
    }
    void take()
    {
        uint64_t count;
        ssize_t got = ::read(fd, &count, sizeof(count));
        (void)got; /* nothing there is as good */
        rung_.store(false);
    }
    const int fd;

private:
    std::atomic<bool> rung_{false};
};

namespace {

size_t samplesOf(const MeterConfig &config)
{
    return (size_t)((uint64_t)config.clockRate * config.ptimeUsec / 1000000);
}

TalkConfig talkOf(const MeterConfig &config)
{
    return TalkConfig{config.clockRate, config.ptimeUsec, config.hangoverMs, config.marginDb, config.floorDbfs};
}

bool valid(const MeterConfig &c)
{
    return c.clockRate >= 8000 && c.clockRate <= 192000 && c.ptimeUsec >= 5000 && c.ptimeUsec <= 40000 &&
           c.hangoverMs <= 60000 && c.marginDb >= 1 && c.marginDb <= 60 && c.floorDbfs >= -90 && c.floorDbfs <= 0;
}

} // namespace

/* What the mixer's thread and the program share. */
struct MeterState {
    MeterState(const MeterConfig &c, std::shared_ptr<BellState> b)
        : config(c), bell(std::move(b)), meter(c.ptimeUsec / 1e6), detector(talkOf(c))
    {
        pj_bzero(&port, sizeof(port));
    }

    /* The mixer's thread. */
    void put(const pjmedia_frame *frame)
    {
        bool audio = frame->type == PJMEDIA_FRAME_TYPE_AUDIO && frame->size;
        const int16_t *samples = audio ? (const int16_t *)frame->buf : nullptr;
        size_t n = audio ? frame->size / 2 : samplesOf(config);
        meter.update(samples, n);
        add(frames);
        if (!config.talk) return;
        bool now = detector.update(samples, n);
        noise.store(detector.noiseDbfs(), std::memory_order_relaxed);
        if (now == talking.load(std::memory_order_relaxed)) return;
        talking.store(now);
        changes.fetch_add(1);
        if (bell) bell->ring();
    }

    /* It only listens. */
    void get(pjmedia_frame *frame)
    {
        frame->type = PJMEDIA_FRAME_TYPE_NONE;
        frame->size = 0;
    }

    const MeterConfig config;
    const std::shared_ptr<BellState> bell;
    PcmMeter meter;
    TalkDetector detector;
    Counter frames{0};
    std::atomic<float> noise{-96};
    std::atomic<bool> talking{false};
    std::atomic<unsigned long> changes{0};

    int portId = -1;
    pjmedia_port port;
    pj_pool_t *pool = nullptr;
};

MeterConfig::MeterConfig()
    : clockRate(16000), ptimeUsec(20000), talk(true), hangoverMs(500), marginDb(9), floorDbfs(-55)
{
}

MeterBell::MeterBell() PJSUA2_THROW(Error) : state(std::make_shared<BellState>())
{
    if (state->fd < 0) { PJSUA2_RAISE_ERROR(PJ_STATUS_FROM_OS(errno)); }
}

MeterBell::~MeterBell() {}

int MeterBell::fileno() const
{
    return state->fd;
}

void MeterBell::take()
{
    state->take();
}

MeterPort::MeterPort() {}

MeterPort::~MeterPort()
{
    close();
}

int MeterPort::open(const std::string &name, const MeterConfig &config, MeterBell *bell) PJSUA2_THROW(Error)
{
    {
        std::lock_guard<std::mutex> hold(guard_);
        if (state_) { PJSUA2_RAISE_ERROR(PJ_EEXISTS); }
    }
    if (!valid(config)) { PJSUA2_RAISE_ERROR(PJ_EINVAL); }
    if (!mixerIsUp()) { PJSUA2_RAISE_ERROR(PJ_EINVALIDOP); }
    registerThisThread();

    auto fresh = std::make_shared<MeterState>(config, bell ? bell->state : nullptr);
    fresh->pool = pj_pool_create(portPools(), "meter%p", 512, 512, NULL);
    if (!fresh->pool) { PJSUA2_RAISE_ERROR(PJ_ENOMEM); }
    MixerPort<MeterState>::describe(*fresh, name, PJMEDIA_SIG_CLASS_APP('M', 'T', 'R'),
                                    config.clockRate, 1, (unsigned)samplesOf(config));
    PJSUA2_CHECK_EXPR(MixerPort<MeterState>::enter(fresh));
    std::lock_guard<std::mutex> hold(guard_);
    id = fresh->portId;
    state_ = fresh;
    return id;
}

void MeterPort::close()
{
    std::shared_ptr<MeterState> old;
    {
        std::lock_guard<std::mutex> hold(guard_);
        old.swap(state_);
        id = PJSUA_INVALID_ID;
    }
    if (!old) return;
    MixerPort<MeterState>::leave(*old);
}

MeterStat MeterPort::stat() const
{
    std::lock_guard<std::mutex> hold(guard_);
    MeterStat s{};
    if (!state_) return s;
    s.rms = state_->meter.rms;
    s.peak = state_->meter.peak;
    s.noiseDbfs = state_->noise;
    s.talking = state_->talking;
    s.changes = state_->changes;
    s.frames = state_->frames;
    return s;
}

} // namespace pj
