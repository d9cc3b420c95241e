/* A queue of samples that is read a little faster or slower than it is written, without clicks.
 *
 * Reading interpolates with a windowed sinc, so the ratio may be another at each read and the signal stays smooth. While
 * the ratio is 1 from the start on, what comes out is what went in, sample for sample.
 */
#ifndef SOFTPHONE_STRETCHER_HPP
#define SOFTPHONE_STRETCHER_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace pj {

class Stretcher
{
public:
    enum { TAPS = 32, PHASES = 64 };

    Stretcher() : samples_(TAPS, 0.0f), at_(TAPS / 2) {}

    void push(const int16_t *pcm, size_t n)
    {
        size_t before = samples_.size();
        samples_.resize(before + n);
        for (size_t i = 0; i < n; ++i) samples_[before + i] = pcm[i];
    }

    /* Samples written and not read yet; less than 0 where the filter has looked ahead. */
    double waiting() const { return (double)samples_.size() - TAPS / 2 - at_; }

    /* Whether `n` samples can be read at `ratio`. */
    bool has(size_t n, double ratio) const { return at_ + (double)(n - 1) * ratio + TAPS / 2 + 1 < (double)samples_.size(); }

    /* Reads `n` samples, each `ratio` after the one before; only when has(). */
    void pull(int16_t *pcm, size_t n, double ratio)
    {
        for (size_t i = 0; i < n; ++i, at_ += ratio) pcm[i] = clip(at(at_));
        forget();
    }

    /* Root mean square of the next `n` samples that are there, 0 to 32768. */
    double loudness(size_t n) const
    {
        size_t from = (size_t)at_, to = std::min(samples_.size(), from + n);
        double sum = 0;
        for (size_t i = from; i < to; ++i) sum += samples_[i] * samples_[i];
        return to > from ? std::sqrt(sum / (double)(to - from)) : 0;
    }

    /* Forgets all that waits, and fades to silence by way of the filter. */
    void clear()
    {
        samples_.assign(TAPS, 0.0f);
        at_ = TAPS / 2;
    }

private:
    struct Table
    {
        float c[PHASES + 1][TAPS];
        Table()
        {
            for (int phase = 0; phase <= PHASES; ++phase)
                for (int tap = 0; tap < TAPS; ++tap)
                    c[phase][tap] = (float)weight(tap - (TAPS / 2 - 1) - (double)phase / PHASES);
        }
        /* Sinc under a Blackman window. */
        static double weight(double x)
        {
            if (std::fabs(x) < 1e-9) return 1;
            if (std::fabs(x) >= TAPS / 2) return 0;
            double p = M_PI * x, w = M_PI * x / (TAPS / 2);
            return std::sin(p) / p * (0.42 + 0.5 * std::cos(w) + 0.08 * std::cos(2 * w));
        }
    };

    static const Table &table()
    {
        static const Table made;
        return made;
    }

    float at(double where) const
    {
        size_t whole = (size_t)where;
        double phase = (where - (double)whole) * PHASES;
        int low = (int)phase;
        float part = (float)(phase - low);
        const float *x = &samples_[whole - (TAPS / 2 - 1)], *a = table().c[low], *b = table().c[low + 1];
        float sums[8] = {0}; /* side by side, so that the compiler uses vectors */
        for (int tap = 0; tap < TAPS; tap += 8)
            for (int i = 0; i < 8; ++i) sums[i] += x[tap + i] * (a[tap + i] + (b[tap + i] - a[tap + i]) * part);
        return (sums[0] + sums[1]) + (sums[2] + sums[3]) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    }

    static int16_t clip(float x) { return (int16_t)std::max(-32768.0f, std::min(32767.0f, std::nearbyintf(x))); }

    void forget()
    {
        size_t done = (size_t)at_ - TAPS / 2;
        if (done < 2048) return;
        samples_.erase(samples_.begin(), samples_.begin() + (ptrdiff_t)done);
        at_ -= (double)done;
    }

    std::vector<float> samples_;
    double at_; /* the next sample to read; TAPS / 2 of history are before it */
};

} // namespace pj

#endif
