#include "digits.hpp"

#include <algorithm>
#include <cmath>

namespace pj {

namespace {

const double PI = 3.14159265358979323846;
const double RATE = 8000;
const double HOP_MS = 5;
const double FREQUENCIES[] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};
const char KEYS[] = "123A456B789C*0#D";

/* What is taken lies between what Q.24 wants taken and what it wants refused (docs/digits.md has the table). */
const double FULL_TONE = 22827;           /* amplitude of a tone of 0 dBm0, which is 3.14 dB below full scale */
const double LEAST_LEVEL_DB = -29;        /* dBm0 of the weaker tone: -25 is taken */
const float LEAST_ENERGY = 203 * 203 * 60; /* of a window: 12 dB below that level, where there is nothing to look for */
const double TWIST_HIGH_DB = 6;           /* the high tone above the low one: +4 is taken */
const double TWIST_LOW_DB = -10;          /* ... and below it: -8 is taken */
const double DEVIATION = 0.022;           /* of the frequency: 1.8 % is taken, 3 % refused */
const double LEAST_MS = 32;               /* 40 is taken, 24 refused */
const double GAP_MS = 22;                 /* 40 makes another digit, 10 does not */
const float PURITY_HOP = 0.70f;           /* of a window; below, of a digit within its edges: 15 dB of noise leave 0.957 at least */
const double PURITY_DIGIT = 0.935;
const float SECOND = 0.5f;                /* how strong another tone of the same group may seem */
const uint64_t PATIENCE = 7;              /* hops without the digit after which it is over */

double decibel(double ratio)
{
    return 20 * std::log10(std::max(ratio, 1e-9));
}

/* What a Hann window leaves of a tone that is `hertz` beside the frequency that is looked for. */
double seen(double hertz)
{
    double x = hertz * 0.020;
    if (std::fabs(x) < 1e-6) return 1;
    return std::sin(PI * x) / (PI * x) / (1 - x * x);
}

/* From the advance of the phase in one hop. */
double deviation(std::complex<double> turn)
{
    return std::arg(turn) / (2 * PI * HOP_MS / 1000);
}

std::vector<float> lowPass(unsigned factor)
{
    size_t count = 16 * factor + 1;
    std::vector<float> taps(count);
    double sum = 0;
    for (size_t i = 0; i < count; ++i) {
        double x = ((double)i - (double)(count - 1) / 2) * 0.9 / factor;
        double window = 0.5 + 0.5 * std::cos(2 * PI * ((double)i - (double)(count - 1) / 2) / (double)(count + 1));
        taps[i] = (float)((std::fabs(x) < 1e-9 ? 1 : std::sin(PI * x) / (PI * x)) * window);
        sum += taps[i];
    }
    for (float &tap : taps) tap = (float)(tap / sum);
    return taps;
}

} // namespace

bool DigitDetector::supports(unsigned clockRate)
{
    return clockRate >= 8000 && clockRate <= 96000 && clockRate % 8000 == 0;
}

DigitDetector::DigitDetector(unsigned clockRate) : factor_(std::max(1u, clockRate / 8000))
{
    if (factor_ > 1) {
        taps_ = lowPass(factor_);
        line_.assign(2 * taps_.size(), 0);
    }
    for (size_t n = 0; n < WINDOW; ++n) shape_[n] = (float)(0.5 - 0.5 * std::cos(2 * PI * ((double)n + 0.5) / WINDOW));
    for (size_t k = 0; k < TONES; ++k) {
        double angle = 2 * PI * FREQUENCIES[k] / RATE;
        coefficient_[k] = (float)(2 * std::cos(angle));
        rotation_[k] = std::polar(1.0f, (float)-angle);
        advance_[k] = std::polar(1.0f, (float)-std::remainder(angle * HOP, 2 * PI));
    }
}

bool DigitDetector::feed(const int16_t *samples, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        float value = samples ? samples[i] : 0;
        if (factor_ == 1) {
            sample(value);
            continue;
        }
        size_t count = taps_.size(); /* the line is kept twice, so that it is in one piece from any place on */
        line_[place_] = line_[place_ + count] = value;
        place_ = (place_ + 1) % count;
        if (++phase_ < factor_) continue;
        phase_ = 0;
        float sum = 0;
        for (size_t t = 0; t < count; ++t) sum += taps_[t] * line_[place_ + t];
        sample(sum);
    }
    return put_.load(std::memory_order_relaxed) != taken_.load(std::memory_order_relaxed);
}

void DigitDetector::sample(float value)
{
    ring_[filled_++ % WINDOW] = value;
    if (filled_ % HOP == 0) hop();
    if (filled_ == WINDOW) filled_ = 0;
}

void DigitDetector::hop()
{
    Hop &now = hops_[now_ & (KEPT - 1)];
    now = Hop();
    measure(now);
    judge(now);
    follow(now);
    ++now_;
}

/* Goertzel's recursion for each of the eight, under a Hann window: neighbours and the other group do not leak in. */
void DigitDetector::measure(Hop &now) const
{
    float block[WINDOW], energy = 0;
    for (size_t n = 0; n < WINDOW; ++n) {
        block[n] = ring_[(filled_ + n) % WINDOW] * shape_[n];
        energy += block[n] * block[n];
    }
    if (energy < LEAST_ENERGY) return;
    for (size_t k = 0; k < TONES; ++k) {
        float one = 0, two = 0;
        for (size_t n = 0; n < WINDOW; ++n) {
            float next = block[n] + coefficient_[k] * one - two;
            two = one;
            one = next;
        }
        now.tones[k] = (one - rotation_[k] * two) * (2.0f / 80); /* 80: the sum of the window */
    }
    now.purity = energy; /* judge() makes it a part */
}

void DigitDetector::judge(Hop &now) const
{
    float energy = now.purity, second[2] = {0, 0}, best[2] = {0, 0};
    int found[2] = {0, 4};
    now.purity = 0;
    if (energy <= 0) return;
    for (int k = 0; k < (int)TONES; ++k) {
        int group = k / 4;
        float level = std::abs(now.tones[k]);
        if (level > best[group]) {
            second[group] = best[group];
            best[group] = level;
            found[group] = k;
        } else {
            second[group] = std::max(second[group], level);
        }
    }
    now.low = found[0];
    now.high = found[1];
    if (second[0] > SECOND * best[0] || second[1] > SECOND * best[1]) return;
    const Hop &before = at(now_ - 1);
    double power = 0;
    for (int group = 0; group < 2; ++group) {
        int k = found[group];
        double off = deviation(now.tones[k] * std::conj(before.tones[k]) * advance_[k]);
        if (std::fabs(off) > 0.04 * FREQUENCIES[k]) off = 0;
        double level = best[group] / seen(off);
        power += level * level / 2 * 60;
    }
    now.purity = (float)(power / energy);
    double twist = decibel(best[1] / std::max(best[0], 1e-9f));
    now.valid = now.purity >= PURITY_HOP && twist <= TWIST_HIGH_DB + 3 && twist >= TWIST_LOW_DB - 3;
}

void DigitDetector::follow(const Hop &now)
{
    bool same = now.valid && run_.active && now.low == run_.low && now.high == run_.high;
    if (run_.active && !same && (now.valid || now_ - run_.last > PATIENCE)) finish();
    if (same && now_ - run_.last > 1) {
        double silent = (crossing(now_, -1) - crossing(run_.last, 1)) * HOP_MS;
        if (silent >= GAP_MS) {
            finish();
            same = false;
        }
    }
    if (same)
        extend(now);
    else if (now.valid)
        begin(now);
}

void DigitDetector::begin(const Hop &now)
{
    run_ = Run();
    run_.active = true;
    run_.low = now.low;
    run_.high = now.high;
    run_.first = run_.last = now_;
    run_.onset = -1;
    run_.firstPurity = now.purity;
    extend(now);
}

void DigitDetector::extend(const Hop &now)
{
    const int tones[2] = {run_.low, run_.high};
    bool joined = run_.count && now_ - run_.last == 1;
    for (int group = 0; group < 2; ++group) {
        int k = tones[group];
        std::complex<float> turn = now.tones[k] * std::conj(at(now_ - 1).tones[k]) * advance_[k];
        if (joined) run_.turn[group] += std::complex<double>(turn);
        run_.power[group] += std::norm(now.tones[k]);
    }
    run_.purity += now.purity;
    ++run_.count;
    run_.last = now_;
    /* once the tone fills the window: what came before is still remembered */
    if (run_.onset < 0 && now_ - run_.first == 8) run_.onset = crossing(run_.first + 3, -1);
}

void DigitDetector::finish()
{
    run_.active = false;
    double onset = run_.onset < 0 ? crossing(std::min(run_.first + 3, run_.last), -1) : run_.onset;
    double end = crossing(run_.last, 1);
    double duration = (end - onset) * HOP_MS;
    if (!isDigit(duration)) return;
    uint64_t put = put_.load(std::memory_order_relaxed);
    if (put - taken_.load(std::memory_order_acquire) >= QUEUE) return; /* nobody asks */
    double start = (onset + 1) * HOP_MS - 10; /* a window ends with its hop; its centre is 10 ms before */
    queue_[put % QUEUE] = {KEYS[run_.low * 4 + run_.high - 4], (unsigned)std::lround(std::max(0.0, start)),
                           (unsigned)std::lround(duration)};
    put_.store(put + 1, std::memory_order_release);
}

bool DigitDetector::isDigit(double duration) const
{
    if (duration < LEAST_MS || run_.count < 3) return false;
    double level[2];
    const int tones[2] = {run_.low, run_.high};
    for (int group = 0; group < 2; ++group) {
        double off = deviation(run_.turn[group]);
        if (std::fabs(off) > DEVIATION * FREQUENCIES[tones[group]]) return false;
        level[group] = std::sqrt(run_.power[group] / run_.count) / seen(off);
    }
    double twist = decibel(level[1] / level[0]);
    /* the first and the last window reach over the edges */
    double purity = (run_.purity - at(run_.last).purity - run_.firstPurity) / (run_.count - 2);
    return purity >= PURITY_DIGIT && twist <= TWIST_HIGH_DB && twist >= TWIST_LOW_DB &&
           decibel(std::min(level[0], level[1]) / FULL_TONE) >= LEAST_LEVEL_DB;
}

/* How much of the run's two tones a hop has, of 1: the one that has less counts. */
float DigitDetector::presence(uint64_t hop, const float *full) const
{
    return std::min(std::abs(at(hop).tones[run_.low]) / full[0], std::abs(at(hop).tones[run_.high]) / full[1]);
}

void DigitDetector::fullLevels(uint64_t from, uint64_t to, float *full) const
{
    full[0] = full[1] = 1e-6f;
    for (uint64_t hop = from; hop <= to; ++hop) {
        full[0] = std::max(full[0], std::abs(at(hop).tones[run_.low]));
        full[1] = std::max(full[1], std::abs(at(hop).tones[run_.high]));
    }
}

/* Where the tones begin (step -1: going back from a hop that has them) or end (step 1), as a fraction of hops: there
 * the window, centred on the edge, has half of them. */
double DigitDetector::crossing(uint64_t hop, int step) const
{
    float full[2];
    uint64_t from = step < 0 ? hop : hop - std::min<uint64_t>(hop, 6);
    fullLevels(from, step < 0 ? std::min(hop + 6, now_) : hop, full);
    /* A tone that fades away, as one does that lost packets are made of, ends where it is half of what it was. */
    for (int group = 0; group < 2; ++group)
        if (run_.count) full[group] = std::max(full[group], (float)std::sqrt(run_.power[group] / run_.count));
    float before = presence(hop, full);
    for (int i = 0; i < 30 && before < 0.5f && hop > 0 && hop < now_; ++i) { /* it has faded already: back into it */
        hop = step < 0 ? hop + 1 : hop - 1;
        before = presence(hop, full);
    }
    for (int i = 0; i < 12; ++i) {
        uint64_t next = step < 0 ? hop - 1 : hop + 1;
        if (next > now_ || hop == 0) break;
        float there = presence(next, full);
        if (before >= 0.5f && there < 0.5f) return (double)hop + step * (double)((before - 0.5f) / (before - there));
        before = there;
        hop = next;
    }
    return (double)hop;
}

bool DigitDetector::take(HeardDigit &digit)
{
    uint64_t taken = taken_.load(std::memory_order_relaxed);
    if (taken == put_.load(std::memory_order_acquire)) return false;
    digit = queue_[taken % QUEUE];
    taken_.store(taken + 1, std::memory_order_release);
    return true;
}

} // namespace pj
