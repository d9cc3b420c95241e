#include "sound.hpp"

#include <pjmedia-audiodev/alsa.h>
#include <pjmedia/alaw_ulaw.h>
#include <pjmedia/echo.h>
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>
#include <vector>

#define THIS_FILE "sound.cpp"

namespace pj {

void setAlsaDevices(const StringVector &names) PJSUA2_THROW(Error)
{
    if (names.size() > PJMEDIA_AUD_DEV_MAX_DEVS) { PJSUA2_RAISE_ERROR(PJ_ETOOMANY); }
    std::vector<const char *> texts;
    for (const std::string &name : names) texts.push_back(name.c_str());
    PJSUA2_CHECK_EXPR(pjmedia_aud_alsa_set_devices(NULL, (unsigned)texts.size(), texts.data()));
}

EchoDevice::EchoDevice(int playdev, int recdev) : ExtraAudioDevice(playdev, recdev), speaker_(playdev) {}

void EchoDevice::open() PJSUA2_THROW(Error)
{
    ExtraAudioDevice::open();
}

void EchoDevice::setEcho(unsigned tailMs, unsigned options) PJSUA2_THROW(Error)
{
    if (!ext_snd_dev) { PJSUA2_RAISE_ERROR(PJ_EINVALIDOP); }
    pjmedia_snd_port *port = pjsua_ext_snd_dev_get_snd_port((pjsua_ext_snd_dev *)ext_snd_dev);
    pj_pool_t *pool = pjsua_pool_create("echo", 512, 512);
    if (!pool) { PJSUA2_RAISE_ERROR(PJ_ENOMEM); }
    pj_status_t status = pjmedia_snd_port_set_ec(port, pool, tailMs, options);
    pj_pool_release(pool); /* the canceller made one of its own */
    PJSUA2_CHECK_RAISE_ERROR2(status, "setEcho");
}

void EchoDevice::openLoudspeaker() PJSUA2_THROW(Error)
{
    if (ext_snd_dev) { PJSUA2_RAISE_ERROR(PJ_EEXISTS); }
    pjsua_conf_port_info mixer;
    PJSUA2_CHECK_EXPR(pjsua_conf_get_port_info(0, &mixer));
    pjmedia_snd_port_param param;
    pjmedia_snd_port_param_default(&param);
    PJSUA2_CHECK_EXPR(pjmedia_aud_dev_default_param(speaker_, &param.base));
    param.base.dir = PJMEDIA_DIR_PLAYBACK;
    param.base.play_id = speaker_;
    param.base.rec_id = PJMEDIA_AUD_INVALID_DEV;
    param.base.clock_rate = mixer.clock_rate;
    param.base.channel_count = 1;
    param.base.samples_per_frame = mixer.samples_per_frame / mixer.channel_count;
    param.base.bits_per_sample = mixer.bits_per_sample;
    pjsua_ext_snd_dev *device;
    PJSUA2_CHECK_EXPR(pjsua_ext_snd_dev_create(&param, &device));
    ext_snd_dev = device;
    registerMediaPort(NULL);
    id = pjsua_ext_snd_dev_get_conf_port(device);
}

void setConnectionLevel(const AudioMedia &source, const AudioMedia &sink, float level) PJSUA2_THROW(Error)
{
    if (level < 0 || level > 128) { PJSUA2_RAISE_ERROR(PJ_EINVAL); }
    int from = source.getPortId(), to = sink.getPortId();
    if (from < 0 || to < 0 || !pjsua_var.mconf) { PJSUA2_RAISE_ERROR(PJ_EINVALIDOP); }
    int steps = (int)(level * 128 + 0.5f);
    PJSUA2_CHECK_EXPR(pjmedia_conf_adjust_conn_level(pjsua_var.mconf, (unsigned)from, (unsigned)to, steps - 128));
}

namespace {

float linear(unsigned level)
{
    return (float)pjmedia_ulaw2linear((pj_uint8_t)(level ^ 0xff)) / 32768;
}

} // namespace

PortLevels portLevels(const AudioMedia &port) PJSUA2_THROW(Error)
{
    unsigned said = 0, heard = 0;
    PJSUA2_CHECK_EXPR(pjsua_conf_get_signal_level(port.getPortId(), &said, &heard));
    return PortLevels{linear(heard), linear(said)};
}

EchoCanceller::EchoCanceller(unsigned clockRate, unsigned samples, unsigned tailMs, unsigned options)
    PJSUA2_THROW(Error)
    : frameSamples(samples), state_(NULL), pool_(pjsua_pool_create("echo", 512, 512))
{
    if (!pool_) { PJSUA2_RAISE_ERROR(PJ_ENOMEM); }
    pj_status_t status = pjmedia_echo_create2(pool_, clockRate, 1, samples, tailMs, 0, options, &state_);
    if (status == PJ_SUCCESS) return;
    pj_pool_release(pool_);
    PJSUA2_RAISE_ERROR(status);
}

EchoCanceller::~EchoCanceller()
{
    pjmedia_echo_destroy(state_);
    pj_pool_release(pool_);
}

void EchoCanceller::cancel(short *recorded, const short *played)
{
    pjmedia_echo_cancel(state_, recorded, played, 0, NULL);
}

} // namespace pj
