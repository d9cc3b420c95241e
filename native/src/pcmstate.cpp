#include "pcmstate.hpp"

#include <time.h>

namespace pj {

namespace {

uint64_t monotonicNs()
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

size_t bytesOf(const PcmPortConfig &config, unsigned ms)
{
    return (size_t)((uint64_t)config.clockRate * ms / 1000) * config.channelCount * 2;
}

size_t frameBytesOf(const PcmPortConfig &config)
{
    return (size_t)((uint64_t)config.clockRate * config.ptimeUsec / 1000000) * config.channelCount * 2;
}

/* A ring that cannot hold a frame would lose every frame. */
size_t ringBytes(const PcmPortConfig &config, unsigned ms)
{
    return std::max(bytesOf(config, ms), frameBytesOf(config));
}

} // namespace

PcmPortState::PcmPortState(const PcmPortConfig &c, std::shared_ptr<PcmHubState> h)
    : config(c), frameBytes(frameBytesOf(c)), rx(ringBytes(c, c.rxBufMs)), tx(ringBytes(c, c.txBufMs)),
      digits(c.hearDigits ? new DigitDetector(c.clockRate) : nullptr),
      hub(std::move(h)), rxNotify_(std::max<size_t>(1, std::min(bytesOf(c, c.rxNotifyMs), rx.limit()))),
      txPrefill_(std::min(bytesOf(c, c.txPrefillMs), tx.limit())), txMax_(bytesOf(c, c.txMaxMs)),
      txLow_(bytesOf(c, c.txLowMs)), rxMeter_(c.ptimeUsec / 1e6), txMeter_(c.ptimeUsec / 1e6)
{
    pj_bzero(&port, sizeof(port));
}

/* ------------------------------------------------------------------ the mixer's thread: what it delivers */

void PcmPortState::put(const pjmedia_frame *frame)
{
    measureInterval();
    add(put_);
    bool audio = frame->type == PJMEDIA_FRAME_TYPE_AUDIO && frame->size;
    const void *data = audio ? frame->buf : nullptr;
    rxMeter_.update((const int16_t *)data, (audio ? frame->size : frameBytes) / 2);
    if (digits) {
        if (digits->feed((const int16_t *)data, (audio ? frame->size : frameBytes) / 2)) raise(PCM_DIGITS);
        return;
    }
    if (!audio) {
        add(silent_);
        if (!config.rxFillSilence) return;
    }
    keep(data, audio ? frame->size : frameBytes);
    wakeReader();
}

void PcmPortState::measureInterval()
{
    uint64_t now = monotonicNs();
    if (forgetLongest.exchange(false, std::memory_order_relaxed)) putMaxUsec_.store(0, std::memory_order_relaxed);
    if (lastPutNs_) {
        unsigned usec = (unsigned)((now - lastPutNs_) / 1000);
        if (usec > putMaxUsec_.load(std::memory_order_relaxed)) putMaxUsec_.store(usec, std::memory_order_relaxed);
        if (usec > config.ptimeUsec * 3 / 2) add(late15_);
        if (usec > config.ptimeUsec * 2) add(late20_);
    }
    lastPutNs_ = now;
    publishedPutNs_.store(now, std::memory_order_relaxed);
}

/* A frame that finds no room is lost, but its time is not: silence follows as soon as there is room. */
void PcmPortState::keep(const void *data, size_t n)
{
    if (owedBytes_) owedBytes_ -= rx.push(nullptr, (size_t)std::min<uint64_t>(owedBytes_, rx.limit()));
    if (!owedBytes_ && rx.room() >= n) {
        rx.push(data, n);
        return;
    }
    add(overruns_);
    if (config.rxFillSilence) owedBytes_ += n;
}

/* Here and in read(): data first, then a fence, then the flag (there: flag, fence, data). One of the two sees both. */
void PcmPortState::wakeReader()
{
    if (!hub) return;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (rx.level() < rxNotify_ || signalled_.exchange(true)) return;
    wakeups_.fetch_add(1, std::memory_order_relaxed);
    hub->markReadable(slot);
}

/* ------------------------------------------------------------------ the mixer's thread: what it asks for */

void PcmPortState::get(pjmedia_frame *frame)
{
    add(get_);
    if (tx.applySkip()) playing_ = false;
    bool ending = drainArmed_.load(std::memory_order_acquire); /* before the level: what was written is in it */
    size_t level = tx.level();
    if (txMax_ && level > txMax_) {
        size_t excess = tx.pop(nullptr, (level - txMax_) / frameBytes * frameBytes);
        add(dropped_, excess);
        level -= excess;
    }
    if (!playing_ && (level == 0 || (level < txPrefill_ && !ending))) {
        beIdle(frame);
        return;
    }
    size_t n = tx.pop(frame->buf, frameBytes);
    std::memset((char *)frame->buf + n, 0, frameBytes - n);
    add(played_, n);
    playing_ = n == frameBytes;
    if (!playing_ && !ending) add(underruns_);
    frame->type = PJMEDIA_FRAME_TYPE_AUDIO;
    frame->size = frameBytes;
    txMeter_.update((const int16_t *)frame->buf, frameBytes / 2);
    afterPlaying(tx.level());
}

void PcmPortState::beIdle(pjmedia_frame *frame)
{
    add(idle_);
    frame->type = PJMEDIA_FRAME_TYPE_NONE;
    frame->size = 0;
    txMeter_.update(nullptr, frameBytes / 2);
    afterPlaying(tx.level());
}

void PcmPortState::afterPlaying(size_t left)
{
    /* While waiting for the prefill, less than the prefill is little. */
    size_t little = playing_ ? txLow_ : std::max(txLow_, txLow_ ? txPrefill_ : 0);
    if (left < little && lowArmed_.exchange(false)) raise(PCM_LOW);
    if (left || !drainArmed_.load(std::memory_order_acquire) || tx.level() || !drainArmed_.exchange(false)) return;
    playing_ = false; /* the sound is over: the empty ring that follows is no underrun */
    raise(PCM_DRAINED);
}

/* Any thread. */
void PcmPortState::raise(unsigned event)
{
    events.fetch_or(event);
    if (!hub) return;
    wakeups_.fetch_add(1, std::memory_order_relaxed);
    hub->markEventful(slot);
}

/* ------------------------------------------------------------------ the program */

size_t PcmPortState::write(const void *data, size_t n)
{
    size_t taken = tx.push(data, n);
    if (taken && txLow_) lowArmed_.store(true);
    return taken;
}

size_t PcmPortState::read(void *into, size_t n)
{
    size_t taken = rx.pop(into, n);
    if (signalled_.load(std::memory_order_relaxed)) signalled_.store(false);
    wakeReader(); /* enough may be left, or have come meanwhile */
    return taken;
}

void PcmPortState::armDrained()
{
    drainArmed_.store(true);
    /* An empty ring needs no mixer to tell; and with no sink connected the mixer would never ask. */
    if (tx.level() == 0 && drainArmed_.exchange(false)) raise(PCM_DRAINED);
}

PcmPortStat PcmPortState::absolute() const
{
    PcmPortStat s{};
    s.framesPut = put_;
    s.framesGet = get_;
    s.framesSilent = silent_;
    s.rxOverruns = overruns_;
    s.txUnderruns = underruns_;
    s.txIdle = idle_;
    s.txDroppedBytes = dropped_;
    s.txPlayedBytes = played_;
    s.wakeups = wakeups_;
    s.late15 = late15_;
    s.late20 = late20_;
    s.putMaxUsec = forgetLongest.load() ? 0 : putMaxUsec_.load();
    s.rxLevelBytes = (unsigned)rx.level();
    s.txLevelBytes = (unsigned)tx.level();
    s.lastPutTime = (double)publishedPutNs_.load() / 1e9;
    s.rxRms = rxMeter_.rms;
    s.rxPeak = rxMeter_.peak;
    s.txRms = txMeter_.rms;
    s.txPeak = txMeter_.peak;
    return s;
}

} // namespace pj
