/* PcmPort: a port of PJSIP's mixer whose other end is PCM in this program.
 *
 *     write()  -> ring "tx" -> mixer asks for a frame    (what the program says into calls)
 *     read()   <- ring "rx" <- mixer delivers a frame    (what the program hears of calls)
 *
 * The mixer's thread touches the rings and, at most once per wake-up, an eventfd. It never waits for a lock and never
 * enters Python, so busy Python code cannot make any call stutter. All PCM is signed 16 bit, native byte order,
 * channels interleaved. Levels and sizes are bytes, except where a name says otherwise.
 *
 * Every method may be called from any Python thread. A port may be closed or collected in any thread, and may outlive
 * Endpoint.libDestroy(): it then only stops being of use.
 */
#ifndef SOFTPHONE_PCMPORT_HPP
#define SOFTPHONE_PCMPORT_HPP

#include <memory>
#include <mutex>
#include <string>

#include <pjsua2.hpp>

#include "digits.hpp"

namespace pj {

/* What PcmHub.events() and PcmPort.takeEvents() report; flags, so one entry may carry both. */
enum PcmEvent {
    PCM_DRAINED = 1, /* the last byte written before notifyDrained() has gone into the mixer */
    PCM_LOW = 2,     /* less than txLowMs is queued for playing: time to write() */
    PCM_DIGITS = 4   /* digits were heard: takeDigits() has them */
};

struct PcmPortConfig {
    unsigned clockRate;    /* Hz; 16000. The mixer resamples when its own rate is another. */
    unsigned channelCount; /* 1 */
    unsigned ptimeUsec;    /* frame length in microseconds; 20000, the mixer's own */
    unsigned rxBufMs;      /* how much is kept for read(), ms; 1000. Beyond that frames are lost (rxOverruns). */
    unsigned txBufMs;      /* how much write() takes ahead, ms; 1000 */
    unsigned rxNotifyMs;   /* the hub wakes when this much is readable, ms; 20 */
    unsigned txPrefillMs;  /* after running dry, play only when this much is queued, ms; 0: at once */
    unsigned txMaxMs;      /* more than this queued: the oldest is dropped, ms; 0: never. Bounds the delay. */
    unsigned txLowMs;      /* PCM_LOW once after each write() when less is queued, ms; 0: never */
    bool rxFillSilence;    /* true: zeros stand for frames without audio and for frames lost by overrun, so that bytes
                              read always tell the time; false: such frames are left out */
    bool hearDigits;      /* false; true: what the mixer delivers is searched for dialled digits (digits.hpp) instead of
                              being kept for read(). One channel, at a multiple of 8000 Hz. */
    PcmPortConfig();
};

/* Counters since open() or resetStat(), and levels now. */
struct PcmPortStat {
    unsigned long long framesPut;      /* frames that the mixer delivered: its clock */
    unsigned long long framesGet;      /* frames that the mixer asked for (it asks only while a sink is connected) */
    unsigned long long framesSilent;   /* delivered frames without audio */
    unsigned long long rxOverruns;     /* delivered frames lost, because nobody read */
    unsigned long long txUnderruns;    /* played on into an empty ring, without notifyDrained() */
    unsigned long long txIdle;         /* asked for a frame when nothing was to be played */
    unsigned long long txDroppedBytes; /* dropped by txMaxMs */
    unsigned long long txPlayedBytes;  /* gone into the mixer */
    unsigned long long wakeups;        /* times that this port asked the hub for attention */
    unsigned long long late15;         /* intervals between delivered frames above 1.5 frame lengths */
    unsigned long long late20;         /* ... above 2 frame lengths */
    unsigned putMaxUsec;               /* longest such interval, microseconds */
    unsigned rxLevelBytes;             /* readable now */
    unsigned txLevelBytes;             /* queued for playing now */
    double lastPutTime;                /* CLOCK_MONOTONIC of the last delivered frame, seconds; 0: none yet */
    float rxRms, rxPeak;               /* heard, 0 to 1: RMS over about 125 ms, and peak fading over about 300 ms */
    float txRms, txPeak;               /* said, likewise */
};

struct PcmPortState; /* what the mixer's thread shares with us */
struct PcmHubState;
class PcmHub;

class PcmPort : public AudioMedia
{
public:
    PcmPort();
    /* close() */
    virtual ~PcmPort();

    /* Makes the port and adds it to the mixer. With a hub, events and readable data wake the hub; without one the port
     * must be polled. Returns getPortId(). Throws Error: PJ_EEXISTS when open, PJ_EINVAL for a bad configuration,
     * PJ_ETOOMANY when the hub is full, and what the mixer says. */
    int open(const std::string &name, const PcmPortConfig &config, PcmHub *hub = NULL) PJSUA2_THROW(Error);

    /* Takes the port out of the mixer; what was not read is lost. A second close() does nothing. */
    void close();
    bool isOpen() const;

    /* Queues PCM for playing; returns how many bytes were taken, less than LEN when the ring is full, 0 when closed. */
    unsigned write(const void *DATA, size_t LEN);
    unsigned readable() const;
    /* What write() would take now. */
    unsigned writable() const;
    /* Bytes in one frame. */
    unsigned frameBytes() const;

    /* Asks for one PCM_DRAINED when nothing is queued any more. What is queued is then played even when it is less than
     * txPrefillMs. Call it after the last write(). */
    void notifyDrained();
    /* Flags of PcmEvent that happened; for a port without a hub. */
    unsigned takeEvents();

    /* Voids what is queued for playing, at once (barge-in). */
    void flushTx();
    /* Voids what is readable. */
    void flushRx();

    PcmPortStat stat() const;
    void resetStat();

#ifndef SWIG
    bool takeDigit(HeardDigit &digit);
    unsigned readRaw(void *into, size_t size);

private:
    PcmPort(const PcmPort &);
    PcmPort &operator=(const PcmPort &);

    std::shared_ptr<PcmPortState> state() const;

    mutable std::mutex guard_; /* of state_ alone; the mixer's thread never takes it */
    std::shared_ptr<PcmPortState> state_;
#endif
};

/* One eventfd for many ports.
 *
 * When fileno() is readable: call drain(), then events(). drain() takes the descriptor's signal; events() must follow
 * it, not stand alone. */
class PcmHub
{
public:
    /* For at most maxPorts open ports. Throws Error when the system has no descriptor left. */
    explicit PcmHub(unsigned maxPorts = 4096) PJSUA2_THROW(Error);
    ~PcmHub();
    /* For loop.add_reader(); valid as long as the hub. Take the reader away before the hub goes. */
    int fileno() const;
    /* Times that the eventfd was written. */
    unsigned long long wakeups() const;

#ifndef SWIG
    std::shared_ptr<PcmHubState> state;

private:
    PcmHub(const PcmHub &);
    PcmHub &operator=(const PcmHub &);
#endif
};

} // namespace pj

#endif
