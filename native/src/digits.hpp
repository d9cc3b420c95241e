/* Dialled digits in sound: a detector after ITU-T Q.23 (frequencies) and Q.24 (what a receiver takes and refuses).
 *
 * One thread feeds it and another may take what was found; neither waits for the other. It knows nothing of PJSIP.
 */
#ifndef SOFTPHONE_DIGITS_HPP
#define SOFTPHONE_DIGITS_HPP

#include <atomic>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pj {

/* A digit that was heard to its end. Times are milliseconds of the sound that was fed. */
struct HeardDigit {
    char digit;
    unsigned startMs;
    unsigned durationMs;
};

class DigitDetector
{
public:
    /* For sound at a multiple of 8000 Hz, up to 96000; see supports(). */
    explicit DigitDetector(unsigned clockRate);
    static bool supports(unsigned clockRate);

    /* One channel, 16 bit; silence when samples is null. True: there is something to take. */
    bool feed(const int16_t *samples, size_t n);

    /* The next digit; false when there is none. */
    bool take(HeardDigit &digit);

#ifndef SWIG
private:
    static const size_t HOP = 40, WINDOW = 160; /* samples at 8000 Hz: 5 ms and 20 ms */
    static const size_t TONES = 8, KEPT = 64;   /* KEPT: hops that are remembered, a power of two */
    static const size_t QUEUE = 64;

    struct Hop {
        std::complex<float> tones[TONES]; /* amplitude and phase of each of the eight frequencies */
        float purity;                     /* which part of the power the two strongest have */
        int low, high;                    /* these two */
        bool valid;                       /* it sounds like a digit */
    };
    struct Run { /* windows that sound like the same digit */
        bool active;
        int low, high;
        uint64_t first, last; /* hops: the first and the last valid one */
        double onset;         /* in hops */
        double purity, firstPurity, power[2];
        unsigned count;
        std::complex<double> turn[2]; /* how the phases advance from hop to hop */
    };

    void sample(float value);
    void hop();
    void measure(Hop &now) const;
    void judge(Hop &now) const;
    void follow(const Hop &now);
    void begin(const Hop &now);
    void extend(const Hop &now);
    void finish();
    bool isDigit(double duration) const;
    float presence(uint64_t hop, const float *full) const;
    void fullLevels(uint64_t from, uint64_t to, float *full) const;
    double crossing(uint64_t hop, int step) const;
    const Hop &at(uint64_t hop) const { return hops_[hop & (KEPT - 1)]; }

    unsigned factor_, phase_ = 0; /* decimation to 8000 Hz */
    std::vector<float> taps_, line_;
    size_t place_ = 0;
    float ring_[WINDOW] = {}, shape_[WINDOW];
    size_t filled_ = 0;
    float coefficient_[TONES];
    std::complex<float> rotation_[TONES], advance_[TONES];
    uint64_t now_ = 0; /* hops so far */
    Hop hops_[KEPT] = {};
    Run run_ = {};
    HeardDigit queue_[QUEUE];
    std::atomic<uint64_t> put_{0}, taken_{0};
#endif
};

} // namespace pj

#endif
