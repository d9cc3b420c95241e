#include "voicestate.hpp"

#include <cmath>
#include <cstring>
#include <random>

#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

namespace pj {

namespace {

const char KEYS[] = "0123456789*#ABCD";
const unsigned FRAME_MS = 20;
const unsigned STILL_FRAMES = 10;   /* after so much of nothing to send, hardly anything is sent */
const unsigned SIGN_OF_LIFE = 20;   /* frames between the packets that are */
const unsigned KEY_PAUSE = 3;       /* frames between two keys */
const uint64_t ASLEEP_NS = 200000000; /* nobody listens when the mixer has not asked for so long */

uint64_t monotonicNs()
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint16_t read16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
uint32_t read32(const uint8_t *at) { return (uint32_t)read16(at) << 16 | read16(at + 2); }
void write16(uint8_t *at, unsigned v) { at[0] = (uint8_t)(v >> 8), at[1] = (uint8_t)v; }
void write32(uint8_t *at, uint32_t v) { write16(at, v >> 16), write16(at + 2, v & 0xffff); }

} // namespace

/* ------------------------------------------------------------------ the hub */

VoiceHubState::VoiceHubState() : fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

VoiceHubState::~VoiceHubState()
{
    if (fd >= 0) ::close(fd);
}

void VoiceHubState::join(const std::shared_ptr<VoiceState> &port)
{
    std::lock_guard<std::mutex> hold(guard_);
    ports_.push_back(port);
}

void VoiceHubState::leave(const std::shared_ptr<VoiceState> &port)
{
    std::lock_guard<std::mutex> hold(guard_);
    ports_.erase(std::remove(ports_.begin(), ports_.end(), port), ports_.end());
}

std::vector<std::shared_ptr<VoiceState>> VoiceHubState::ports() const
{
    std::lock_guard<std::mutex> hold(guard_);
    return ports_;
}

void VoiceHubState::ring()
{
    if (rung_.exchange(true)) return;
    uint64_t one = 1;
    ssize_t written = ::write(fd, &one, sizeof(one));
    (void)written; /* it cannot be full: it is written once until it is read */
}

void VoiceHubState::taken()
{
    uint64_t count;
    ssize_t got = ::read(fd, &count, sizeof(count));
    (void)got; /* nothing there is as good */
    rung_.store(false);
}

/* ------------------------------------------------------------------ what is counted of what comes in */

void VoiceReception::restart(uint32_t ssrc, uint16_t sequence)
{
    if (known_) {
        beforeExpected_ += (unsigned long long)(highest_ - first_ + 1);
        before_ = packets_;
    }
    ssrc_ = ssrc;
    known_ = true;
    first_ = highest_ = sequence;
    history_ = 0;
    jitter_ = 0;
    transitKnown_ = false;
}

/* Whether this number came before; notes that it has now. */
bool VoiceReception::seen(int64_t sequence)
{
    int64_t ahead = sequence - highest_;
    if (ahead > 0) {
        history_ = ahead < 64 ? history_ << ahead : 0;
        highest_ = sequence;
    }
    uint64_t bit = highest_ - sequence < 64 ? 1ull << (highest_ - sequence) : 0;
    bool before = !bit || (history_ & bit);
    history_ |= bit;
    return before;
}

bool VoiceReception::count(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, uint64_t nowNs, size_t size)
{
    if (!known_ || ssrc != ssrc_) restart(ssrc, sequence);
    int64_t wide = highest_ + (int16_t)(sequence - (uint16_t)highest_);
    bool behind = wide < highest_;
    if (seen(wide)) {
        ++duplicates_;
        return false;
    }
    first_ = std::min(first_, wide);
    reordered_ += behind;
    ++packets_;
    bytes_ += size;
    double transit = (double)(nowNs / 1000) / 1e6 * rtpClock_ - (double)timestamp;
    if (transitKnown_) {
        double change = std::fmod(std::fabs(transit - transit_), 4294967296.0);
        if (change < rtpClock_ * 10.0) jitter_ += (change - jitter_) / 16; /* else the timestamps began anew */
    }
    transit_ = transit;
    transitKnown_ = true;
    return true;
}

unsigned VoiceReception::finish()
{
    pressed_ = false;
    return (unsigned)KEYS[code_] | (keyLength_ * 1000 / eventsRate_) << 8;
}

unsigned VoiceReception::key(uint32_t timestamp, const uint8_t *payload, size_t size)
{
    if (size < 4 || payload[0] >= sizeof(KEYS) - 1) return 0;
    unsigned found = 0;
    bool same = pressed_ && timestamp == keyStamp_ && payload[0] == code_;
    if (!same) {
        if (told_ && timestamp == keyStamp_) return 0; /* the end once more */
        if (pressed_) found = finish();
        pressed_ = true;
        told_ = false;
        code_ = payload[0];
        keyStamp_ = timestamp;
    }
    keyLength_ = read16(payload + 2);
    if (!(payload[1] & 0x80) || found) return found;
    told_ = true;
    return finish();
}

unsigned VoiceReception::noKey(uint32_t timestamp)
{
    if (!pressed_ || (int32_t)(timestamp - keyStamp_) <= (int32_t)rtpClock_ / 5) return 0;
    told_ = true;
    return finish();
}

void VoiceReception::tell(VoicePortStat &stat) const
{
    stat.rxPackets = packets_;
    stat.rxBytes = bytes_;
    stat.rxDuplicates = duplicates_;
    stat.rxReordered = reordered_;
    stat.rtpClock = rtpClock_;
    if (!known_) return;
    stat.rxExpected = beforeExpected_ + (unsigned long long)(highest_ - first_ + 1);
    stat.rxLost = stat.rxExpected > packets_ ? stat.rxExpected - packets_ : 0;
    stat.rxSsrc = ssrc_;
    stat.rxHighest = (unsigned)highest_;
    stat.rxJitter = (unsigned)jitter_;
}

/* ------------------------------------------------------------------ the program */

VoiceState::VoiceState(const VoicePortConfig &c, std::shared_ptr<VoiceHubState> h)
    : config(c), frameSamples(c.clockRate / 1000 * FRAME_MS), hub(std::move(h)),
      reception_(c.codec == VOICE_OPUS ? 48000 : 8000, c.eventsType, c.eventsRate), silence_(frameSamples)
{
    std::random_device any;
    sequence_ = (uint16_t)(any() & 0x7fff); /* the lower half: SRTP's roll-over counter is not agreed upon */
    timestamp_ = any();
    pj_bzero(&port, sizeof(port));
}

unsigned VoiceState::receive(const uint8_t *data, size_t size)
{
    if (size < 12 || (data[0] & 0xc0) != 0x80) return 0;
    size_t head = 12 + 4u * (data[0] & 15), tail = size;
    if (data[0] & 0x10) {
        if (size < head + 4) return 0;
        head += 4 + 4u * read16(data + head + 2);
    }
    if (data[0] & 0x20) tail = data[size - 1] <= size ? size - data[size - 1] : 0;
    if (head >= tail || tail - head > VOICE_MAX_PAYLOAD) return 0;
    unsigned type = data[1] & 0x7f;
    bool key = config.eventsType >= 0 && type == (unsigned)config.eventsType;
    if (!key && type != config.payloadType) return 0;
    uint32_t timestamp = read32(data + 4), ssrc = read32(data + 8);
    uint64_t now = monotonicNs();
    if (!reception_.count(ssrc, read16(data + 2), timestamp, now, tail - head)) return 0;
    if (!key && !codec->samplesIn(data + head, tail - head)) return 0;
    if (now - askedNs_.load(std::memory_order_relaxed) < ASLEEP_NS) {
        if (VoicePacket *place = in_.place()) {
            place->arrivalNs = now;
            place->timestamp = timestamp;
            place->ssrc = ssrc;
            place->sequence = read16(data + 2);
            place->size = key ? 0 : (uint16_t)(tail - head);
            std::memcpy(place->payload, data + head, place->size);
            in_.done();
        } else {
            add(inOverruns_);
        }
    }
    return key ? reception_.key(timestamp, data + head, tail - head) : reception_.noKey(timestamp);
}

bool VoiceState::queueKey(char digit, unsigned durationMs)
{
    const char *at = digit ? std::strchr(KEYS, digit) : nullptr;
    Key *place = at && config.eventsType >= 0 ? keys_.place() : nullptr;
    if (!place) return false;
    *place = Key{(uint8_t)(at - KEYS), std::max(40u, std::min(6000u, durationMs))};
    keys_.done();
    return true;
}

VoicePortStat VoiceState::stat() const
{
    VoicePortStat s{};
    reception_.tell(s);
    const PlayoutFigures &f = buffer->figures;
    s.rxLate = f.late;
    s.fecFrames = f.fec;
    s.concealedFrames = f.concealed;
    s.underruns = f.underruns;
    s.overruns = f.overruns + inOverruns_;
    s.delayMs = f.delayMs;
    s.targetMs = f.targetMs;
    s.correctionPpm = f.correctionPpm;
    s.driftKnown = f.driftKnown.load(std::memory_order_acquire);
    s.driftPpm = f.driftPpm;
    s.txPackets = sentPackets_;
    s.txBytes = sentBytes_;
    s.txDropped = dropped_;
    s.txTimestamp = sentStamp_;
    s.txTime = (double)sentNs_.load() / 1e9;
    return s;
}

/* ------------------------------------------------------------------ the mixer's thread */

void VoiceState::get(pjmedia_frame *frame)
{
    uint64_t now = monotonicNs(), before = askedNs_.exchange(now, std::memory_order_relaxed);
    if (now - before > ASLEEP_NS) {
        while (in_.first()) in_.drop();
        buffer->restart();
    }
    buffer->accept(in_);
    bool sounding = buffer->play((int16_t *)frame->buf, frameSamples, now);
    frame->type = sounding ? PJMEDIA_FRAME_TYPE_AUDIO : PJMEDIA_FRAME_TYPE_NONE;
    frame->size = sounding ? frameSamples * 2 : 0;
}

void VoiceState::put(const pjmedia_frame *frame)
{
    bool audio = frame->type == PJMEDIA_FRAME_TYPE_AUDIO && frame->size == frameSamples * 2;
    int wanted = loss.load(std::memory_order_relaxed);
    if (wanted != lossSet_) codec->expectLoss(lossSet_ = wanted);
    if (!pressing_ && pauseTicks_ == 0 && keys_.first()) {
        key_ = *keys_.first();
        keys_.drop();
        pressing_ = true;
        keyTicks_ = 0;
        keyStamp_ = timestamp_;
    }
    if (pressing_) {
        press();
    } else {
        pauseTicks_ -= pauseTicks_ > 0;
        silentFrames_ = audio ? 0 : silentFrames_ + 1;
        if (silentFrames_ <= STILL_FRAMES || silentFrames_ % SIGN_OF_LIFE == 0)
            speak(audio ? (const int16_t *)frame->buf : silence_.data());
        else
            marker_ = true;
    }
    timestamp_ += codec->rtpClock() / 1000 * FRAME_MS;
}

void VoiceState::speak(const int16_t *pcm)
{
    uint8_t payload[VOICE_MAX_PAYLOAD];
    size_t size = codec->encode(pcm, frameSamples, payload);
    if (size) send(config.payloadType, timestamp_, payload, size, marker_);
    marker_ = false;
}

/* One packet for each frame that a key is down; the last is sent three times (RFC 4733 section 2.5.1.4). */
void VoiceState::press()
{
    unsigned ms = ++keyTicks_ * FRAME_MS;
    bool over = ms >= key_.durationMs;
    uint8_t payload[4] = {key_.code, (uint8_t)((over ? 0x80 : 0) | 10), 0, 0};
    write16(payload + 2, std::min(65535u, ms * config.eventsRate / 1000));
    for (int times = over ? 3 : 1; times; --times)
        send((unsigned)config.eventsType, keyStamp_, payload, sizeof(payload), keyTicks_ == 1);
    if (!over) return;
    pressing_ = false;
    pauseTicks_ = KEY_PAUSE;
    marker_ = true;
}

void VoiceState::send(unsigned type, uint32_t timestamp, const uint8_t *payload, size_t size, bool marker)
{
    uint16_t sequence = sequence_++;
    VoiceOut *place = out.place();
    if (!place) { /* the program is far behind; the other side sees it as lost */
        add(dropped_);
        return;
    }
    place->bytes[0] = 0x80;
    place->bytes[1] = (uint8_t)((marker ? 0x80 : 0) | type);
    write16(place->bytes + 2, sequence);
    write32(place->bytes + 4, timestamp);
    write32(place->bytes + 8, config.ssrc);
    std::memcpy(place->bytes + 12, payload, size);
    place->size = (uint16_t)(12 + size);
    out.done();
    add(sentPackets_);
    add(sentBytes_, size);
    sentStamp_.store(timestamp);
    sentNs_.store(monotonicNs());
    hub->ring();
}

} // namespace pj
