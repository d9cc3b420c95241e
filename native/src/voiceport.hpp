/* VoicePort: a port of PJSIP's mixer whose other end is RTP, encrypted and carried by somebody else.
 *
 *     receive(packet) -> ring -> jitter buffer, decoder, resampler -> the mixer asks for a frame
 *     hub.take()      <- ring <- encoder, keys (RFC 4733)         <- the mixer delivers a frame
 *
 * The mixer's thread codes and decodes, by its own clock; it never waits for a lock and never enters Python.
 *
 * Every method may be called from any Python thread; receive() from one at a time. A port may be closed or collected in
 * any thread, and may outlive Endpoint.libDestroy().
 */
#ifndef SOFTPHONE_VOICEPORT_HPP
#define SOFTPHONE_VOICEPORT_HPP

#include <memory>
#include <mutex>
#include <string>

#include <pjsua2.hpp>

namespace pj {

enum VoiceCodecId { VOICE_OPUS = 0, VOICE_PCMU = 1, VOICE_PCMA = 2 };

struct VoicePortConfig {
    int codec;              /* VoiceCodecId */
    unsigned clockRate;     /* of the PCM, Hz: 8000, 16000, 24000 or 48000 with Opus, 8000 with G.711; 16000 */
    unsigned payloadType;   /* 111 */
    int eventsType;         /* payload type of telephone-event, -1 for none; -1 */
    unsigned eventsRate;    /* its clock, Hz; 8000 */
    unsigned ssrc;          /* ours */
    int bitrate;            /* of Opus, bit/s; 28000 */
    int complexity;         /* of Opus, 0 to 10; 5 */
    unsigned leastDelayMs;  /* bounds of the jitter buffer; 20 */
    unsigned mostDelayMs;   /* 500 */
    VoicePortConfig();
};

/* Counters since open(), and levels now; media/voice.py says what each means. */
struct VoicePortStat {
    unsigned long long rxPackets, rxBytes, rxLost, rxExpected, rxLate, rxDuplicates, rxReordered;
    unsigned long long fecFrames, concealedFrames, underruns, overruns;
    unsigned long long txPackets, txBytes, txDropped;
    unsigned rxSsrc;       /* 0 before the first packet */
    unsigned rxHighest;    /* extended highest sequence number (RFC 3550 section 6.4.1) */
    unsigned rxJitter;     /* in RTP clock units */
    unsigned rtpClock;     /* Hz */
    unsigned txTimestamp;  /* of the frame that went out last */
    double txTime;         /* CLOCK_MONOTONIC of that, seconds; 0: none yet */
    float delayMs, targetMs, driftPpm, correctionPpm;
    bool driftKnown;
};

struct VoiceState;
struct VoiceHubState;

/* One eventfd for what many voice ports have to send. */
class VoiceHub
{
public:
    /* Throws Error when the system has no descriptor left. */
    VoiceHub() PJSUA2_THROW(Error);
    ~VoiceHub();
    /* For loop.add_reader(); when it is readable, call take(). Valid as long as the hub. */
    int fileno() const;

#ifndef SWIG
    std::shared_ptr<VoiceHubState> state;

private:
    VoiceHub(const VoiceHub &);
    VoiceHub &operator=(const VoiceHub &);
#endif
};

class VoicePort : public AudioMedia
{
public:
    VoicePort();
    /* close() */
    virtual ~VoicePort();

    /* Makes the port and adds it to the mixer. Returns getPortId(). Throws Error: PJ_EEXISTS when open, PJ_EINVAL for a
     * bad configuration, and what the mixer says. */
    int open(const std::string &name, const VoicePortConfig &config, VoiceHub &hub) PJSUA2_THROW(Error);
    /* A second close() does nothing. */
    void close();

    /* An RTP packet. Returns 0, or a key that was pressed: its character, plus 256 times its duration in ms. */
    unsigned receive(const void *DATA, size_t LEN);
    /* Queues a key, one of 0-9 * # A-D; false when there is no room or the other side knows no keys. */
    bool sendDigit(char digit, unsigned durationMs);
    /* How much of what we send gets lost; per cent. */
    void expectLoss(int percent);
    /* All zeros when closed. */
    VoicePortStat stat() const;

#ifndef SWIG
private:
    VoicePort(const VoicePort &);
    VoicePort &operator=(const VoicePort &);

    std::shared_ptr<VoiceState> state() const;

    mutable std::mutex guard_; /* of state_ alone; the mixer's thread never takes it */
    std::shared_ptr<VoiceState> state_;
#endif
};

} // namespace pj

#endif
