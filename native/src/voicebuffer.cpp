#include "voicebuffer.hpp"

#include <cmath>
#include <cstring>

namespace pj {

namespace {

const double QUANTILE = 0.98;     /* of the packets should be in time */
const double FORGET = 0.998;      /* of the histogram stays at each packet: ten seconds of speech count */
const double SAFETY_MS = 4;       /* the mixer's thread does not wake to the moment */
const double BASE_WINDOW_MS = 5000;
const double DRIFT_WINDOW_MS = 2500;
const double JUMP_MS = 3000;      /* a timestamp that is so far off belongs to another stream */
const double EASY = 0.0005;       /* the most that voice is sped up or slowed down: 1 cent */
const double HURRIED = 0.005;     /* where the delay is far too long, or short */
const double FAR_MS = 60;
const double IN_PAUSES = 0.1;     /* while nobody speaks */
const double LONG_MS = 10;        /* too long by so much, or */
const double SHORT_MS = -4;       /* too short, is worth a correction ... */
const double NEAR_MS = 1;         /* ... until it is within this */
const double MOST_DRIFT = 0.001;  /* clocks are off by 100 ppm at the most; some are worse */
const double QUIET = 60;          /* RMS below this is a pause: -55 dBFS */
const double PULL = 0.0004;       /* correction for each ms off: half is gone in 1.7 s */
const double SMOOTH = 0.08;       /* of each new look at the delay */
const double LOSSY = 0.005;       /* from here on it pays to wait for the next packet's redundancy */

} // namespace

/* ------------------------------------------------------------------ how late packets are */

Lateness::Lateness()
{
    clear();
}

void Lateness::clear()
{
    std::fill(bins_, bins_ + BINS, 0.0);
    base_[0] = base_[1] = INFINITY;
    baseSince_ = -INFINITY;
    windows_.clear();
    open_ = Window{-INFINITY, INFINITY};
}

void Lateness::add(double transit, double now)
{
    if (now - baseSince_ > BASE_WINDOW_MS) {
        base_[0] = base_[1];
        base_[1] = INFINITY;
        baseSince_ = now;
    }
    base_[1] = std::min(base_[1], transit);
    for (double &bin : bins_) bin *= FORGET;
    double late = std::max(0.0, transit - base());
    bins_[std::min<size_t>(BINS - 1, (size_t)(late / BIN_MS))] += 1 - FORGET;
    window(transit, now);
}

/* The quickest packet of each window: jitter only ever adds, so this is the clock alone. */
void Lateness::window(double transit, double now)
{
    if (now - open_.start > DRIFT_WINDOW_MS) {
        if (std::isfinite(open_.least)) windows_.push_back(open_);
        if (windows_.size() > MOST) windows_.erase(windows_.begin());
        open_ = Window{now, INFINITY};
    }
    open_.least = std::min(open_.least, transit);
}

double Lateness::needs(double quantile) const
{
    double total = 0, seen = 0;
    for (double bin : bins_) total += bin;
    for (size_t i = 0; i < BINS; ++i) {
        seen += bins_[i];
        if (seen >= quantile * total) return (double)(i + 1) * BIN_MS;
    }
    return BINS * BIN_MS;
}

double Lateness::driftPpm() const
{
    double n = (double)windows_.size(), x = 0, y = 0, xx = 0, xy = 0;
    for (const Window &w : windows_) {
        double at = w.start - windows_[0].start, least = w.least - windows_[0].least;
        x += at, y += least, xx += at * at, xy += at * least;
    }
    return -(n * xy - x * y) / (n * xx - x * x) * 1e6;
}

/* ------------------------------------------------------------------ what comes in */

VoiceBuffer::VoiceBuffer(VoiceCodec &codec, unsigned pcmRate, Limits limits)
    : codec_(codec), pcmRate_(pcmRate), limits_(limits), slots_(SLOTS), holds_(SLOTS, -1), work_(VOICE_MAX_SAMPLES),
      frame_(pcmRate / 50)
{
}

void VoiceBuffer::restart()
{
    started_ = waiting_ = smoothKnown_ = steering_ = false;
    out_.clear();
    std::fill(holds_.begin(), holds_.end(), -1);
    invented_ = concealedInARow_ = keySilence_ = 0;
}

void VoiceBuffer::accept(PacketRing &ring)
{
    for (VoicePacket *packet = ring.first(); packet; packet = ring.first()) {
        store(*packet);
        ring.drop();
    }
}

void VoiceBuffer::store(const VoicePacket &packet)
{
    bool other = packet.ssrc != ssrc_;
    int64_t sequence = newest_ + (int16_t)(packet.sequence - (uint16_t)newest_);
    int64_t wide = lastWide_ + (int32_t)(packet.timestamp - lastTimestamp_);
    double now = (double)packet.arrivalNs / 1e6, transit = now - (double)wide * 1000 / codec_.rtpClock();
    if (other || (started_ && std::fabs(transit - lateness_.base()) > JUMP_MS)) {
        restart();
        lateness_.clear();
        ssrc_ = packet.ssrc;
        sequence = packet.sequence + (1ll << 32); /* far from zero: packets before it have numbers too */
        wide = packet.timestamp;
        transit = now - (double)wide * 1000 / codec_.rtpClock();
    }
    if (packet.size) { /* a key keeps the timestamp of its beginning */
        lastTimestamp_ = packet.timestamp;
        lastWide_ = wide;
        lateness_.add(transit, now);
    } else if (!started_) {
        return;
    }
    if (!started_) {
        started_ = waiting_ = true;
        next_ = newest_ = sequence;
        wide_ = wide;
    }
    if (sequence < next_ && waiting_ && next_ - sequence < SLOTS / 2) { /* overtaken by the first one */
        next_ = sequence;
        wide_ = wide;
    }
    if (sequence < next_) {
        add(figures.late);
        return;
    }
    if (sequence - next_ >= SLOTS) { /* nobody could wait so long */
        add(figures.overruns, (unsigned long long)(sequence - next_ - SLOTS + 1));
        skipTo(sequence - SLOTS + 1);
    }
    newest_ = std::max(newest_, sequence);
    *slot(sequence) = packet;
    holds_[(size_t)sequence % SLOTS] = sequence;
}

VoicePacket *VoiceBuffer::slot(int64_t sequence)
{
    return &slots_[(size_t)sequence % SLOTS];
}

const VoicePacket *VoiceBuffer::held(int64_t sequence)
{
    return holds_[(size_t)sequence % SLOTS] == sequence ? slot(sequence) : nullptr;
}

/* What was to be decoded before `sequence` is given up. */
void VoiceBuffer::skipTo(int64_t sequence)
{
    for (; next_ < sequence; ++next_) {
        holds_[(size_t)next_ % SLOTS] = -1;
        wide_ += (int64_t)frame_ * codec_.rtpClock() / pcmRate_;
    }
    invented_ = 0;
}

/* ------------------------------------------------------------------ what is played */

bool VoiceBuffer::play(int16_t *pcm, size_t n, uint64_t nowNs)
{
    double now = (double)nowNs / 1e6;
    if (!started_ || (waiting_ && !ready(now))) return false;
    double ratio = steer(now, n);
    if (!fill(n, ratio)) {
        add(figures.underruns);
        restart();
        return false;
    }
    out_.pull(pcm, n, ratio);
    return true;
}

double VoiceBuffer::playing(double now) const
{
    return now - ((double)wide_ * 1000 / codec_.rtpClock() - ms(out_.waiting()));
}

/* Whether the first packets have waited as long as they should. */
bool VoiceBuffer::ready(double now)
{
    if (playing(now) - lateness_.base() < wanted()) return false;
    waiting_ = false;
    return true;
}

/* The delay that lets nearly all packets be in time. A packet is needed when its first sample is in the mixer's next
 * frame, up to a packet's length before it sounds. */
double VoiceBuffer::wanted() const
{
    double frame = ms((double)frame_);
    double wanted = lateness_.needs(QUANTILE) + SAFETY_MS + frame + (lossRate_ > LOSSY ? frame : 0);
    return std::min<double>(limits_.mostDelayMs, std::max<double>(limits_.leastDelayMs, wanted));
}

/* What brings the delay back: much where nobody speaks, else so little that nobody hears it. */
double VoiceBuffer::correct(double off, bool pause) const
{
    double most = pause ? IN_PAUSES : std::fabs(off) > FAR_MS ? HURRIED : EASY;
    return std::max(-most, std::min(most, off * (pause ? 10 * PULL : PULL)));
}

/* How much faster than real time to read. While the delay is near enough, only drift is made good: speech stays as it
 * is. */
double VoiceBuffer::steer(double now, size_t n)
{
    double delay = playing(now) - lateness_.base();
    smooth_ = smoothKnown_ ? smooth_ + (delay - smooth_) * SMOOTH : delay;
    smoothKnown_ = true;
    double wanted = this->wanted(), off = smooth_ - wanted;
    if (off > LONG_MS || off < SHORT_MS) steering_ = true;
    if (std::fabs(off) < NEAR_MS) steering_ = false;
    tooShort_ = off < -ms((double)frame_) / 2;
    double correction = steering_ ? correct(off, out_.loudness(n * 2) < QUIET) : 0;
    if (lateness_.driftKnown()) correction += std::max(-MOST_DRIFT, std::min(MOST_DRIFT, lateness_.driftPpm() / 1e6));
    figures.delayMs.store((float)smooth_, std::memory_order_relaxed);
    figures.targetMs.store((float)wanted, std::memory_order_relaxed);
    figures.correctionPpm.store((float)(correction * 1e6), std::memory_order_relaxed);
    if (lateness_.driftKnown()) {
        figures.driftPpm.store((float)lateness_.driftPpm(), std::memory_order_relaxed);
        figures.driftKnown.store(true, std::memory_order_release);
    }
    if (delay - wanted > limits_.mostDelayMs) { /* beyond all patience: a new start is shorter */
        int64_t many = (int64_t)((delay - wanted) / ms((double)frame_));
        many = std::min(many, newest_ - next_);
        if (many > 0) {
            add(figures.overruns, (unsigned long long)many);
            skipTo(next_ + many);
            smoothKnown_ = false;
        }
    }
    return 1 + correction;
}

bool VoiceBuffer::fill(size_t n, double ratio)
{
    while (!out_.has(n, ratio))
        if (!produce()) return false;
    return true;
}

/* Decodes or makes up one more piece; false when it has made up enough. */
bool VoiceBuffer::produce()
{
    const VoicePacket *packet = held(next_);
    if (packet && !packet->size) return passKey();
    if (!packet) return bridgeGap();
    size_t n = codec_.decode(packet->payload, packet->size, work_.data());
    int64_t stamp = wide_ + (int32_t)(packet->timestamp - (uint32_t)wide_); /* silence may have been left out */
    holds_[(size_t)next_ % SLOTS] = -1;
    concealedInARow_ = invented_ = keySilence_ = 0;
    lossRate_ *= 0.995;
    if (n) frame_ = n;
    wide_ = stamp;
    if (!n) invent(n = frame_);
    else out_.push(work_.data(), n);
    advance(n);
    return true;
}

/* A number that a key took: no speech is missing here. Until speech goes on, there is silence. */
bool VoiceBuffer::passKey()
{
    holds_[(size_t)next_++ % SLOTS] = -1;
    invented_ = 0;
    keySilence_ = MOST_KEY_MS * pcmRate_ / 1000;
    return true;
}

void VoiceBuffer::advance(size_t samples)
{
    ++next_;
    wide_ += (int64_t)samples * codec_.rtpClock() / pcmRate_;
}

/* The next packet is not here. If a later one is, it is lost; if none is, it may still come. */
bool VoiceBuffer::bridgeGap()
{
    if (newest_ <= next_) {
        if (keySilence_) {
            size_t n = std::min(frame_, keySilence_);
            keySilence_ -= n;
            std::memset(work_.data(), 0, n * 2);
            out_.push(work_.data(), n);
            return true;
        }
        if (ms((double)concealedInARow_) >= MOST_CONCEALED_MS) return false;
        invented_ += frame_;
        invent(frame_);
        return true;
    }
    lossRate_ = lossRate_ * 0.995 + 0.005;
    size_t owed = frame_ > invented_ ? frame_ : 0;
    if (invented_ && tooShort_) { /* what was made up instead makes the delay longer, and that is wanted */
        owed = frame_;
        invented_ = 0;
    }
    invented_ -= std::min(invented_, frame_);
    const VoicePacket *after = held(next_ + 1);
    size_t restored = owed && after ? codec_.restore(after->payload, after->size, work_.data(), frame_) : 0;
    if (restored) {
        add(figures.fec);
        concealedInARow_ = 0;
        out_.push(work_.data(), restored);
    } else if (owed) {
        invent(owed);
    }
    advance(frame_);
    return true;
}

void VoiceBuffer::invent(size_t samples)
{
    add(figures.concealed);
    concealedInARow_ += samples;
    size_t n = codec_.conceal(work_.data(), samples);
    if (!n) std::memset(work_.data(), 0, (n = samples) * 2);
    out_.push(work_.data(), n);
}

} // namespace pj
