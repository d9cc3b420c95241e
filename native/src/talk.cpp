#include "talk.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace pj {

namespace {

const float SILENCE_DBFS = -96;
const float PERIODIC = 0.5f;     /* how alike two periods of a voice are, where 1 is the same */
const float PROMINENT = 0.6f;    /* by how much less alike it is half a period away: rumble is alike everywhere */
const unsigned VOICED_FRAMES = 3; /* in the last 16: 60 ms of voice in 320 ms begin a talk */
const float WINDOW_S = 1.2f;
const float RISE_DB = 1.5f;      /* the mean of a noise above its least frame */

unsigned framesOf(float seconds, const TalkConfig &config)
{
    return std::max(1u, (unsigned)(seconds * 1e6f / (float)config.ptimeUsec + 0.5f));
}

float dbfs(float square)
{
    return square > 2.5e-10f ? 10 * std::log10(square) : SILENCE_DBFS;
}

unsigned bits(unsigned value)
{
    return (unsigned)__builtin_popcount(value);
}

} // namespace

TalkDetector::TalkDetector(const TalkConfig &config)
    : config_(config), fold_(std::max(1u, config.clockRate / RATE)),
      hangover_(framesOf((float)config.hangoverMs / 1000, config)), window_(framesOf(WINDOW_S, config)),
      noise_(SILENCE_DBFS), least_(0), lastLeast_(0)
{
    std::memset(history_, 0, sizeof(history_));
}

bool TalkDetector::update(const int16_t *samples, size_t n)
{
    float level = samples ? take(samples, n) : SILENCE_DBFS;
    float above = std::max(noise_ + config_.marginDb, config_.floorDbfs);
    bool loud = level > above;
    note(loud && pitched());
    if (loud && (talking_ || bits(voiced_) >= VOICED_FRAMES)) {
        talking_ = true;
        quiet_ = 0;
    } else if (talking_ && ++quiet_ > hangover_) {
        talking_ = false;
    }
    learn(level);
    return talking_;
}

/* Folds the frame to RATE, takes away what is below a voice, keeps it; returns its level. */
float TalkDetector::take(const int16_t *samples, size_t n)
{
    size_t count = std::min<size_t>(n / fold_, LENGTH);
    std::memmove(history_, history_ + count, (LENGTH - count) * sizeof(float));
    float *into = history_ + (LENGTH - count), square = 0;
    for (size_t i = 0; i < count; ++i) {
        int sum = 0;
        for (unsigned k = 0; k < fold_; ++k) sum += samples[i * fold_ + k];
        float value = (float)sum / ((float)fold_ * 32768);
        smooth_ = 0.85f * (smooth_ + value - before_); /* high pass, about 100 Hz */
        before_ = value;
        into[i] = smooth_;
        square += smooth_ * smooth_;
    }
    return count ? dbfs(square / (float)count) : SILENCE_DBFS;
}

/* Whether the last 40 ms repeat themselves at the pace of a voice, 80 to 400 Hz. */
bool TalkDetector::pitched() const
{
    const unsigned span = LENGTH - LONGEST;
    const float *now = history_ + LONGEST;
    float energy = 0, shifted = 0;
    for (unsigned i = 0; i < span; ++i) {
        energy += now[i] * now[i];
        shifted += history_[LONGEST - SHORTEST + i] * history_[LONGEST - SHORTEST + i];
    }
    float best = 0, worst = 1;
    for (unsigned lag = SHORTEST; lag <= LONGEST; ++lag) {
        const float *then = history_ + (LONGEST - lag);
        float product = 0;
        for (unsigned i = 0; i < span; ++i) product += now[i] * then[i];
        float alike = product / (std::sqrt(energy * std::max(shifted, 0.0f)) + 1e-9f);
        best = std::max(best, alike);
        worst = std::min(worst, alike);
        if (lag < LONGEST) shifted += then[-1] * then[-1] - then[span - 1] * then[span - 1];
    }
    return best > PERIODIC && best - worst > PROMINENT;
}

/* The least level of the last one to two windows. */
void TalkDetector::learn(float level)
{
    least_ = std::min(least_, level);
    if (++inWindow_ >= window_) {
        inWindow_ = 0;
        lastLeast_ = least_;
        least_ = 0;
    }
    float known = std::min(least_, lastLeast_);
    noise_ = std::max(SILENCE_DBFS, known + RISE_DB);
}

void TalkDetector::note(bool voiced)
{
    voiced_ = ((voiced_ << 1) | (voiced ? 1u : 0u)) & ((1u << NOTES) - 1);
}

} // namespace pj
