#include "sound.hpp"

#include <pjmedia-audiodev/alsa.h>
#include <pjsua-lib/pjsua.h>
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

EchoDevice::EchoDevice(int playdev, int recdev) : ExtraAudioDevice(playdev, recdev) {}

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

} // namespace pj
