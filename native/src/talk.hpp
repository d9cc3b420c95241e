/* Whether somebody talks in a stream of samples, told from its level and its pitch.
 *
 * A voice is louder than the noise around it, and much of it has a pitch. To begin, both are asked for: a fan, traffic or
 * the hiss of a line that sets in is loud, but has no pitch. To go on, the level is enough, since half of speech is
 * voiceless. The noise is the least level of the last seconds, so it follows a room that becomes louder or quieter, and a
 * hum that stays is noise before long.
 */
#ifndef SOFTPHONE_TALK_HPP
#define SOFTPHONE_TALK_HPP

#include <stddef.h>
#include <stdint.h>

namespace pj {

struct TalkConfig {
    unsigned clockRate;  /* Hz */
    unsigned ptimeUsec;  /* frame length, microseconds */
    unsigned hangoverMs; /* a pause shorter than this is part of what is said */
    float marginDb;      /* how far above the noise a voice is */
    float floorDbfs;     /* below this nobody talks, however quiet it is */
};

class TalkDetector
{
public:
    explicit TalkDetector(const TalkConfig &config);
    /* One frame; silence when samples is null. Returns whether somebody talks. */
    bool update(const int16_t *samples, size_t n);
    /* The noise's level, dBFS. */
    float noiseDbfs() const { return noise_; }

private:
    enum { RATE = 4000, LENGTH = RATE / 25, SHORTEST = RATE / 400, LONGEST = RATE / 80, NOTES = 16 };

    float take(const int16_t *samples, size_t n);
    bool pitched() const;
    void learn(float level);
    void note(bool voiced);

    const TalkConfig config_;
    const unsigned fold_;       /* samples of the stream in one of ours */
    const unsigned hangover_;   /* frames */
    const unsigned window_;     /* frames over which half of the noise's minimum is taken */
    float history_[LENGTH];     /* the last 40 ms, at RATE, without what is below a voice */
    float before_ = 0, smooth_ = 0;
    float noise_, least_, lastLeast_;
    unsigned inWindow_ = 0, quiet_ = 0, voiced_ = 0; /* voiced_: one bit for each of the last NOTES frames */
    bool talking_ = false;
};

} // namespace pj

#endif
