#include "level.hpp"

#include <atomic>

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <pjsua-lib/pjsua.h>

#include "pcmstate.hpp"
#include "portkit.hpp"
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

namespace {

/* port_data.pdata is a shared_ptr on the heap: the mixer's hold on the state. */
std::shared_ptr<MeterState> &held(pjmedia_port *port)
{
    return *(std::shared_ptr<MeterState> *)port->port_data.pdata;
}

pj_status_t onPut(pjmedia_port *port, pjmedia_frame *frame)
{
    held(port)->put(frame);
    return PJ_SUCCESS;
}

pj_status_t onGet(pjmedia_port *, pjmedia_frame *frame)
{
    frame->type = PJMEDIA_FRAME_TYPE_NONE;
    frame->size = 0;
    return PJ_SUCCESS;
}

pj_status_t onDestroy(pjmedia_port *port)
{
    pj_pool_t *pool = held(port)->pool;
    delete &held(port); /* may free *port */
    pj_pool_release(pool);
    return PJ_SUCCESS;
}

void describe(MeterState &state, const std::string &name)
{
    pj_str_t stored;
    pj_strdup2_with_null(state.pool, &stored, name.c_str());
    pjmedia_port_info_init(&state.port.info, &stored, PJMEDIA_SIG_CLASS_APP('M', 'T', 'R'), state.config.clockRate, 1,
                           16, (unsigned)samplesOf(state.config));
    state.port.put_frame = &onPut;
    state.port.get_frame = &onGet;
    state.port.on_destroy = &onDestroy;
}

/* Adds the port to the mixer; on failure nothing is left of it. */
pj_status_t enterMixer(const std::shared_ptr<MeterState> &state)
{
    state->port.port_data.pdata = new std::shared_ptr<MeterState>(state);
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
    describe(*fresh, name);
    PJSUA2_CHECK_EXPR(enterMixer(fresh));
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
    if (mixerIsUp()) {
        registerThisThread();
        pjsua_conf_remove_port(old->portId);
    }
    pjmedia_port_destroy(&old->port); /* our hold; the mixer lets go of its own when it has removed the port */
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
