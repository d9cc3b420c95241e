/* What a VoicePort and the mixer's thread share. */
#ifndef SOFTPHONE_VOICESTATE_HPP
#define SOFTPHONE_VOICESTATE_HPP

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "voicebuffer.hpp"
#include "voiceport.hpp"

namespace pj {

/* A packet that is to go out, header and all. */
struct VoiceOut {
    uint16_t size;
    uint8_t bytes[12 + VOICE_MAX_PAYLOAD];
};

struct VoiceHubState {
    VoiceHubState();
    ~VoiceHubState();
    void join(const std::shared_ptr<VoiceState> &port);
    void leave(const std::shared_ptr<VoiceState> &port);
    std::vector<std::shared_ptr<VoiceState>> ports() const;
    /* The mixer's thread: there is something to take. */
    void ring();
    /* Takes the signal. */
    void taken();

    const int fd;

private:
    std::atomic<bool> rung_{false};
    mutable std::mutex guard_; /* of ports_; never taken by the mixer's thread */
    std::vector<std::shared_ptr<VoiceState>> ports_;
};

/* What RFC 3550 counts of the packets that come in, and the keys among them (RFC 4733). Of the thread that receives. */
class VoiceReception
{
public:
    VoiceReception(unsigned rtpClock, int eventsType, unsigned eventsRate)
        : rtpClock_(rtpClock), eventsType_(eventsType), eventsRate_(eventsRate)
    {
    }
    /* Takes the header and what it says into account. Returns whether it is a new packet of the stream. */
    bool count(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, uint64_t nowNs, size_t size);
    /* A telephone-event; returns a key that is over, as VoicePort::receive() does. */
    unsigned key(uint32_t timestamp, const uint8_t *payload, size_t size);
    /* Speech came: a key whose end got lost is over. */
    unsigned noKey(uint32_t timestamp);
    void tell(VoicePortStat &stat) const;

private:
    unsigned finish();
    void restart(uint32_t ssrc, uint16_t sequence);
    bool seen(int64_t sequence);

    const unsigned rtpClock_;
    const int eventsType_;
    const unsigned eventsRate_;
    uint32_t ssrc_ = 0;
    bool known_ = false;
    int64_t first_ = 0, highest_ = 0;
    uint64_t history_ = 0; /* a bit for each of the 64 numbers up to `highest_` */
    unsigned long long packets_ = 0, bytes_ = 0, duplicates_ = 0, reordered_ = 0;
    unsigned long long before_ = 0, beforeExpected_ = 0; /* of sources that were replaced */
    double jitter_ = 0, transit_ = 0;
    bool transitKnown_ = false;
    bool pressed_ = false, told_ = false;
    uint8_t code_ = 0;
    uint32_t keyStamp_ = 0, keyLength_ = 0;
};

struct VoiceState {
    VoiceState(const VoicePortConfig &config, std::shared_ptr<VoiceHubState> hub);

    /* The mixer's thread. */
    void put(const pjmedia_frame *frame);
    void get(pjmedia_frame *frame);

    /* The program. */
    unsigned receive(const uint8_t *data, size_t size);
    bool queueKey(char digit, unsigned durationMs);
    VoicePortStat stat() const;

    const VoicePortConfig config;
    const size_t frameSamples;
    const std::shared_ptr<VoiceHubState> hub;
    std::mutex app; /* of the program's threads */
    std::unique_ptr<VoiceCodec> codec;
    std::unique_ptr<VoiceBuffer> buffer;
    SpscRing<VoiceOut> out{24};
    std::atomic<int> loss{10};

    int portId = -1;
    pjmedia_port port;
    pj_pool_t *pool = nullptr;

private:
    struct Key { uint8_t code; unsigned durationMs; };
    void speak(const int16_t *pcm);
    void press();
    void send(unsigned payloadType, uint32_t timestamp, const uint8_t *payload, size_t size, bool marker);

    VoiceReception reception_;
    PacketRing in_{64};
    SpscRing<Key> keys_{64};
    std::atomic<uint64_t> askedNs_{0}; /* when the mixer asked for sound last */

    /* The mixer's thread only. */
    std::vector<int16_t> silence_;
    Key key_{0, 0};
    bool pressing_ = false, marker_ = true;
    unsigned keyTicks_ = 0, pauseTicks_ = 0, silentFrames_ = 0;
    uint32_t keyStamp_ = 0;
    uint16_t sequence_;
    uint32_t timestamp_;
    int lossSet_ = -1;

    Counter sentPackets_{0}, sentBytes_{0}, dropped_{0}, inOverruns_{0};
    std::atomic<uint32_t> sentStamp_{0};
    std::atomic<uint64_t> sentNs_{0};
};

} // namespace pj

#endif
