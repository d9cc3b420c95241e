#include "voicecodec.hpp"

#include <algorithm>
#include <cstring>

#include <opus/opus.h>
#include <pjmedia/alaw_ulaw.h>
#include <pjmedia/plc.h>

namespace pj {

namespace {

class Opus : public VoiceCodec
{
public:
    Opus(unsigned rate, OpusEncoder *encoder, OpusDecoder *decoder) : rate_(rate), encoder_(encoder), decoder_(decoder) {}
    ~Opus() override
    {
        opus_encoder_destroy(encoder_);
        opus_decoder_destroy(decoder_);
    }
    unsigned rtpClock() const override { return 48000; }
    size_t samplesIn(const uint8_t *payload, size_t size) const override
    {
        int n = opus_packet_get_nb_samples(payload, (opus_int32)size, (opus_int32)rate_);
        return n > 0 && n <= VOICE_MAX_SAMPLES ? (size_t)n : 0;
    }
    size_t decode(const uint8_t *payload, size_t size, int16_t *pcm) override
    {
        return count(opus_decode(decoder_, payload, (opus_int32)size, pcm, VOICE_MAX_SAMPLES, 0));
    }
    size_t restore(const uint8_t *next, size_t size, int16_t *pcm, size_t samples) override
    {
        if (!opus_packet_has_lbrr(next, size)) return 0;
        return count(opus_decode(decoder_, next, (opus_int32)size, pcm, (int)samples, 1));
    }
    size_t conceal(int16_t *pcm, size_t samples) override
    {
        return count(opus_decode(decoder_, NULL, 0, pcm, (int)samples, 0));
    }
    size_t encode(const int16_t *pcm, size_t samples, uint8_t *payload) override
    {
        return count(opus_encode(encoder_, pcm, (int)samples, payload, VOICE_MAX_PAYLOAD));
    }
    void expectLoss(int percent) override { opus_encoder_ctl(encoder_, OPUS_SET_PACKET_LOSS_PERC(percent)); }

private:
    static size_t count(int n) { return n > 0 ? (size_t)n : 0; }
    /* Whether the packet carries the frame before it once more (libopus 1.3 has no function that says so). */
    static bool opus_packet_has_lbrr(const uint8_t *packet, size_t size)
    {
        if (size < 2 || (packet[0] & 0x80)) return false; /* CELT alone has none */
        const unsigned char *frames[48];
        opus_int16 sizes[48];
        if (opus_packet_parse(packet, (opus_int32)size, NULL, frames, sizes, NULL) < 1 || sizes[0] < 1) return false;
        int config = packet[0] >> 3;
        int silkFrames = config < 12 && (config & 3) >= 2 ? (config & 3) : 1; /* 40 and 60 ms hold 2 and 3 */
        /* RFC 6716 section 4.2.3: a VAD bit for each SILK frame, then the LBRR flag */
        return (frames[0][0] >> (7 - silkFrames)) & 1;
    }

    const unsigned rate_;
    OpusEncoder *const encoder_;
    OpusDecoder *const decoder_;
};

class G711 : public VoiceCodec
{
public:
    enum { UNIT = 80 }; /* 10 ms: the step of concealment */

    G711(bool alaw, pjmedia_plc *plc) : alaw_(alaw), plc_(plc) {}
    unsigned rtpClock() const override { return 8000; }
    size_t samplesIn(const uint8_t *, size_t size) const override { return size <= VOICE_MAX_PAYLOAD ? size : 0; }
    size_t decode(const uint8_t *payload, size_t size, int16_t *pcm) override
    {
        for (size_t i = 0; i < size; ++i)
            pcm[i] = (int16_t)(alaw_ ? pjmedia_alaw2linear(payload[i]) : pjmedia_ulaw2linear(payload[i]));
        for (size_t at = 0; at + UNIT <= size; at += UNIT) pjmedia_plc_save(plc_, pcm + at);
        return size;
    }
    size_t restore(const uint8_t *, size_t, int16_t *, size_t) override { return 0; }
    size_t conceal(int16_t *pcm, size_t samples) override
    {
        std::memset(pcm, 0, samples * 2);
        for (size_t at = 0; at + UNIT <= samples; at += UNIT) pjmedia_plc_generate(plc_, pcm + at);
        return samples;
    }
    size_t encode(const int16_t *pcm, size_t samples, uint8_t *payload) override
    {
        samples = std::min<size_t>(samples, VOICE_MAX_PAYLOAD);
        for (size_t i = 0; i < samples; ++i)
            payload[i] = (uint8_t)(alaw_ ? pjmedia_linear2alaw(pcm[i]) : pjmedia_linear2ulaw(pcm[i]));
        return samples;
    }
    void expectLoss(int) override {}

private:
    const bool alaw_;
    pjmedia_plc *const plc_; /* of the port's pool */
};

} // namespace

std::unique_ptr<VoiceCodec> openOpus(unsigned pcmRate, int bitrate, int complexity)
{
    int status = 0;
    OpusEncoder *encoder = opus_encoder_create((opus_int32)pcmRate, 1, OPUS_APPLICATION_VOIP, &status);
    if (!encoder) return nullptr;
    OpusDecoder *decoder = opus_decoder_create((opus_int32)pcmRate, 1, &status);
    if (!decoder) {
        opus_encoder_destroy(encoder);
        return nullptr;
    }
    opus_encoder_ctl(encoder, OPUS_SET_BITRATE(bitrate));
    opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(complexity));
    opus_encoder_ctl(encoder, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
    opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(1));
    return std::unique_ptr<VoiceCodec>(new Opus(pcmRate, encoder, decoder));
}

std::unique_ptr<VoiceCodec> openG711(bool alaw, pj_pool_t *pool)
{
    pjmedia_plc *plc = NULL;
    if (pjmedia_plc_create(pool, 8000, G711::UNIT, 0, &plc) != PJ_SUCCESS) return nullptr;
    return std::unique_ptr<VoiceCodec>(new G711(alaw, plc));
}

} // namespace pj
