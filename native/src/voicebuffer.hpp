/* The receiving half of a voice port: an adaptive jitter buffer that decodes when the mixer wants sound.
 *
 * It belongs to the mixer's thread. Packets come through PacketRing, which one other thread fills.
 *
 * When a sample is played, relative to the quickest packets, is the delay. It should be what most packets need to be
 * here in time (a quantile of their lateness, by a histogram that forgets), and is kept there by reading a little faster
 * or slower than real time; the far clock's drift is corrected by the same. What is missing comes from the next packet's
 * redundancy, else it is concealed.
 */
#ifndef SOFTPHONE_VOICEBUFFER_HPP
#define SOFTPHONE_VOICEBUFFER_HPP

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "pcmstate.hpp" /* Counter, add() */
#include "stretcher.hpp"
#include "voicecodec.hpp"

namespace pj {

struct VoicePacket {
    uint64_t arrivalNs;
    uint32_t timestamp;
    uint32_t ssrc;
    uint16_t sequence;
    uint16_t size; /* 0: no speech, a key (RFC 4733) */
    uint8_t payload[VOICE_MAX_PAYLOAD];
};

/* One producer, one consumer, no waiting. `T` is copied in and read in place. */
template <class T> class SpscRing
{
public:
    explicit SpscRing(size_t room) : items_(room) {}
    /* Producer: the place for the next item, null when full; done() makes it visible. */
    T *place()
    {
        size_t head = head_.load(std::memory_order_relaxed);
        return head - tail_.load(std::memory_order_acquire) >= items_.size() ? nullptr : &items_[head % items_.size()];
    }
    void done() { head_.fetch_add(1, std::memory_order_release); }
    /* Consumer: the oldest item, null when empty; drop() gives its place back. */
    T *first()
    {
        size_t tail = tail_.load(std::memory_order_relaxed);
        return tail == head_.load(std::memory_order_acquire) ? nullptr : &items_[tail % items_.size()];
    }
    void drop() { tail_.fetch_add(1, std::memory_order_release); }

private:
    std::vector<T> items_;
    alignas(64) std::atomic<size_t> head_{0};
    alignas(64) std::atomic<size_t> tail_{0};
};

using PacketRing = SpscRing<VoicePacket>;

/* Written by the mixer's thread, read by others. */
struct PlayoutFigures {
    Counter late{0}, fec{0}, concealed{0}, underruns{0}, overruns{0};
    std::atomic<float> delayMs{0}, targetMs{0}, driftPpm{0}, correctionPpm{0};
    std::atomic<bool> driftKnown{false};
};

/* How late packets are, compared with the quickest: what they need, and how the far clock drifts. Times are ms. */
class Lateness
{
public:
    Lateness();
    void clear();
    /* A packet came in: arrival minus timestamp, both in ms, and now. */
    void add(double transit, double now);
    /* What the quickest packets of the last seconds needed. */
    double base() const { return std::min(base_[0], base_[1]); }
    /* What `quantile` of all packets needs on top of that. */
    double needs(double quantile) const;
    bool driftKnown() const { return windows_.size() >= LEAST; }
    /* Parts per million by which the far clock is faster; when it is known. */
    double driftPpm() const;

private:
    enum { BINS = 128, BIN_MS = 4, LEAST = 6, MOST = 60 };
    struct Window { double start, least; };
    void window(double transit, double now);

    double bins_[BINS];
    double base_[2], baseSince_;
    Window open_;
    std::vector<Window> windows_;
};

class VoiceBuffer
{
public:
    struct Limits { unsigned leastDelayMs, mostDelayMs; };

    VoiceBuffer(VoiceCodec &codec, unsigned pcmRate, Limits limits);

    /* Takes what came in. */
    void accept(PacketRing &ring);
    /* `n` samples for the mixer; false while there is nothing to play. */
    bool play(int16_t *pcm, size_t n, uint64_t nowNs);
    /* The mixer did not ask for a while: what waits is old. */
    void restart();

    PlayoutFigures figures;

private:
    enum { SLOTS = 64, MOST_CONCEALED_MS = 120, MOST_KEY_MS = 500 };
    void store(const VoicePacket &packet);
    bool ready(double now);
    double wanted() const;
    double correct(double off, bool pause) const;
    double steer(double now, size_t n);
    bool fill(size_t n, double ratio);
    bool produce();
    bool bridgeGap();
    bool passKey();
    void invent(size_t samples);
    void advance(size_t samples);
    void skipTo(int64_t sequence);
    VoicePacket *slot(int64_t sequence);
    const VoicePacket *held(int64_t sequence);
    double ms(double samples) const { return samples * 1000 / pcmRate_; }
    double playing(double now) const; /* arrival minus timestamp of what is read next */

    VoiceCodec &codec_;
    const unsigned pcmRate_;
    const Limits limits_;
    std::vector<VoicePacket> slots_;
    std::vector<int64_t> holds_; /* the sequence number in each slot, -1: none */
    Lateness lateness_;
    Stretcher out_;
    std::vector<int16_t> work_;
    bool started_ = false, waiting_ = false;
    uint32_t ssrc_ = 0;
    int64_t next_ = 0, newest_ = 0;  /* to be decoded next; the highest that came */
    int64_t wide_ = 0;               /* the timestamp of `next_`, without wrapping */
    uint32_t lastTimestamp_ = 0;
    int64_t lastWide_ = 0;
    size_t frame_;                   /* samples in a packet, as the last one had */
    size_t invented_ = 0;            /* played for `next_` already, while it was not there */
    size_t concealedInARow_ = 0;
    size_t keySilence_ = 0;          /* how much may still be silent because a key is down */
    double smooth_ = 0;              /* delay over base, ms */
    bool smoothKnown_ = false;
    bool tooShort_ = false;          /* the delay is, by half a packet and more */
    bool steering_ = false;          /* on the way to another delay */
    double lossRate_ = 0;
};

} // namespace pj

#endif
