/* What the mixer's thread and the program share; nothing of this is seen from Python.
 *
 * PcmPortState: `put` and `get` run in the mixer's thread and use atomics only. Everything else runs in threads of the
 * program, under `app`. It lives as long as either side refers to it.
 */
#ifndef SOFTPHONE_PCMSTATE_HPP
#define SOFTPHONE_PCMSTATE_HPP

#include <atomic>
#include <cmath>
#include <memory>
#include <mutex>
#include <vector>

#include "pcmport.hpp"
#include "pcmring.hpp"

namespace pj {

using Counter = std::atomic<unsigned long long>;

/* Counts in one thread, read in others. */
inline void add(Counter &counter, unsigned long long n = 1)
{
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

/* RMS and peak of one direction, smoothed. Written by the mixer's thread. */
class PcmMeter
{
public:
    explicit PcmMeter(double frameSeconds)
        : rmsKeep_((float)std::exp(-frameSeconds / 0.125)), peakKeep_((float)std::exp(-frameSeconds / 0.3))
    {
    }

    /* One frame; silence when samples is null. */
    void update(const int16_t *samples, size_t n)
    {
        int64_t sum = 0;
        int peak = 0;
        for (size_t i = 0; samples && i < n; ++i) {
            int value = samples[i];
            sum += value * value;
            peak = std::max(peak, value < 0 ? -value : value);
        }
        float square = n ? (float)((double)sum / (double)n / (32768.0 * 32768.0)) : 0;
        square_ = square_ * rmsKeep_ + square * (1 - rmsKeep_);
        fading_ = std::max((float)peak / 32768, fading_ * peakKeep_);
        rms.store(std::sqrt(square_), std::memory_order_relaxed);
        this->peak.store(fading_, std::memory_order_relaxed);
    }

    std::atomic<float> rms{0}, peak{0};

private:
    float rmsKeep_, peakKeep_, square_ = 0, fading_ = 0;
};

struct PcmHubState {
    explicit PcmHubState(unsigned maxPorts);
    ~PcmHubState();

    /* Program side. join() returns a slot, or -1 when all are taken. */
    int join(const std::shared_ptr<PcmPortState> &port);
    void leave(int slot);
    std::vector<std::shared_ptr<PcmPortState>> takeReadable();
    std::vector<std::shared_ptr<PcmPortState>> takeEventful();

    /* Any thread, without locks. */
    void markReadable(int slot) { mark(readable_, slot); }
    void markEventful(int slot) { mark(eventful_, slot); }

    int fd;
    std::atomic<unsigned long long> wakeups{0};

private:
    using Bits = std::unique_ptr<std::atomic<uint64_t>[]>;
    void mark(Bits &bits, int slot);
    std::vector<std::shared_ptr<PcmPortState>> take(Bits &bits);

    size_t words_;
    Bits readable_, eventful_;
    std::atomic<bool> signalled_{false};
    std::mutex guard_; /* of slots_ */
    std::vector<std::shared_ptr<PcmPortState>> slots_;
};

struct PcmPortState {
    PcmPortState(const PcmPortConfig &config, std::shared_ptr<PcmHubState> hub);

    /* The mixer's thread. */
    void put(const pjmedia_frame *frame);
    void get(pjmedia_frame *frame);

    /* Program side; the caller holds `app`. */
    size_t write(const void *data, size_t n);
    size_t read(void *into, size_t n);
    void armDrained();
    PcmPortStat absolute() const;

    const PcmPortConfig config;
    const size_t frameBytes;
    std::mutex app;
    PcmRing rx, tx;
    const std::unique_ptr<DigitDetector> digits; /* the mixer's thread feeds it */
    const std::shared_ptr<PcmHubState> hub;
    int slot = -1;
    int portId = -1;
    PcmPortStat base{}; /* what resetStat() subtracts */
    std::atomic<unsigned> events{0};
    std::atomic<bool> forgetLongest{false};

    /* Of the mixer. */
    pjmedia_port port;
    pj_pool_t *pool = nullptr;

private:
    void measureInterval();
    void keep(const void *data, size_t n);
    void wakeReader();
    void afterPlaying(size_t left);
    void beIdle(pjmedia_frame *frame);
    void raise(unsigned event);

    const size_t rxNotify_, txPrefill_, txMax_, txLow_;
    PcmMeter rxMeter_, txMeter_;
    bool playing_ = false;   /* mixer's thread only, as the next two */
    uint64_t lastPutNs_ = 0;
    uint64_t owedBytes_ = 0; /* silence that stands for lost frames, not queued yet */
    std::atomic<bool> signalled_{false}, drainArmed_{false}, lowArmed_{false};
    std::atomic<uint64_t> publishedPutNs_{0};
    std::atomic<unsigned> putMaxUsec_{0};
    Counter put_{0}, get_{0}, silent_{0}, overruns_{0}, underruns_{0}, idle_{0}, dropped_{0}, played_{0}, late15_{0},
        late20_{0};
    std::atomic<unsigned long long> wakeups_{0}; /* both sides count here */
};

} // namespace pj

#endif
