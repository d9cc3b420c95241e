/* MeterPort: a port of PJSIP's mixer that measures what it hears: level, peak, and whether somebody talks.
 *
 * The mixer's thread does the measuring and writes atomics; a change of `talking` rings a bell (an eventfd), at most
 * once until it is taken. It never waits for a lock and never enters Python.
 *
 * Every method may be called from any Python thread; a port may outlive Endpoint.libDestroy().
 */
#ifndef SOFTPHONE_LEVEL_HPP
#define SOFTPHONE_LEVEL_HPP

#include <memory>
#include <mutex>
#include <string>

#include <pjsua2.hpp>

namespace pj {

struct MeterConfig {
    unsigned clockRate;  /* Hz; 16000. The mixer resamples when its own rate is another. */
    unsigned ptimeUsec;  /* frame length in microseconds; 20000, the mixer's own */
    bool talk;           /* whether to look for somebody who talks; true */
    unsigned hangoverMs; /* a pause shorter than this is part of what is said, ms; 500 */
    float marginDb;      /* how far above the noise a voice is, dB; 9 */
    float floorDbfs;     /* below this nobody talks, dBFS; -55 */
    MeterConfig();
};

struct MeterStat {
    float rms;               /* 0 to 1, over about 125 ms */
    float peak;              /* 0 to 1, fading over about 300 ms */
    float noiseDbfs;         /* what is taken for the room's noise; with `talk` only */
    bool talking;            /* now; with `talk` only */
    unsigned long changes;   /* how often `talking` has changed */
    unsigned long long frames; /* measured so far */
};

struct MeterState;
struct BellState;

/* One eventfd for many meters. */
class MeterBell
{
public:
    /* Throws Error when the system has no descriptor left. */
    MeterBell() PJSUA2_THROW(Error);
    ~MeterBell();
    /* For loop.add_reader(); valid as long as the bell. Take the reader away before the bell goes. */
    int fileno() const;
    /* Takes the signal; call it before looking at the meters. */
    void take();

#ifndef SWIG
    std::shared_ptr<BellState> state;

private:
    MeterBell(const MeterBell &);
    MeterBell &operator=(const MeterBell &);
#endif
};

class MeterPort : public AudioMedia
{
public:
    MeterPort();
    /* close() */
    virtual ~MeterPort();

    /* Makes the port and adds it to the mixer; with a bell, changes of `talking` ring it. Returns getPortId(). Throws
     * Error: PJ_EEXISTS when open, PJ_EINVAL for a bad configuration, and what the mixer says. */
    int open(const std::string &name, const MeterConfig &config, MeterBell *bell = NULL) PJSUA2_THROW(Error);
    /* A second close() does nothing. */
    void close();
    /* All zeros when closed. */
    MeterStat stat() const;

#ifndef SWIG
private:
    MeterPort(const MeterPort &);
    MeterPort &operator=(const MeterPort &);

    mutable std::mutex guard_; /* of state_ alone; the mixer's thread never takes it */
    std::shared_ptr<MeterState> state_;
#endif
};

} // namespace pj

#endif
