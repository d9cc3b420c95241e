/* The codecs of a voice port: one stream's encoder and decoder. Mono, signed 16 bit. */
#ifndef SOFTPHONE_VOICECODEC_HPP
#define SOFTPHONE_VOICECODEC_HPP

#include <cstddef>
#include <cstdint>
#include <memory>

#include <pjmedia.h>

namespace pj {

/* What a packet can hold at most: 120 ms at 48 kHz (RFC 6716 section 2.1.4). */
enum { VOICE_MAX_SAMPLES = 5760, VOICE_MAX_PAYLOAD = 1400 };

class VoiceCodec
{
public:
    virtual ~VoiceCodec() {}
    /* The clock of its RTP timestamps, Hz. */
    virtual unsigned rtpClock() const = 0;
    /* Samples in a packet, at the rate of the PCM; 0 when it is no packet of this codec. */
    virtual size_t samplesIn(const uint8_t *payload, size_t size) const = 0;
    /* Each returns how many samples were put into `pcm`, which has room for VOICE_MAX_SAMPLES; 0 on failure. */
    virtual size_t decode(const uint8_t *payload, size_t size, int16_t *pcm) = 0;
    /* What was lost before this packet, from the redundancy in it; 0 where there is none. */
    virtual size_t restore(const uint8_t *next, size_t size, int16_t *pcm, size_t samples) = 0;
    /* Something that sounds as if the last sound went on. */
    virtual size_t conceal(int16_t *pcm, size_t samples) = 0;
    /* Bytes put into `payload`, which has room for VOICE_MAX_PAYLOAD; 0 on failure. */
    virtual size_t encode(const int16_t *pcm, size_t samples, uint8_t *payload) = 0;
    /* How much of our stream gets lost on its way; per cent. */
    virtual void expectLoss(int percent) = 0;
};

/* Each returns null when it cannot be made. The PCM rate is 8000, 16000, 24000 or 48000 for Opus, 8000 for G.711. */
std::unique_ptr<VoiceCodec> openOpus(unsigned pcmRate, int bitrate, int complexity);
std::unique_ptr<VoiceCodec> openG711(bool alaw, pj_pool_t *pool);

} // namespace pj

#endif
