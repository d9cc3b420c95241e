/* Sound devices: which ones PJSIP knows, and devices with echo cancellation.
 *
 * PJSIP knows a device only after it has listed all there are, and it lists them by opening each of them twice: seconds
 * of noise on a desktop, and nothing at all for a PCM that ALSA does not list. We name the ones that are wanted.
 *
 * pjsua2 can cancel echo on the one main device only. Ours is always the null device, which drives the mixer's clock, and
 * real devices come and go beside it; so they need an echo canceller of their own.
 */
#ifndef SOFTPHONE_SOUND_HPP
#define SOFTPHONE_SOUND_HPP

#include <pjsua2.hpp>

namespace pj {

/* PJSIP's ALSA devices are these from now on, numbered from 0 in this order; at most 64. It opens and closes each of
 * them, which may block. Devices that are open stay open. Not while another thread is opening one. */
void setAlsaDevices(const StringVector &names) PJSUA2_THROW(Error);

class EchoDevice : public ExtraAudioDevice
{
public:
    EchoDevice(int playdev, int recdev);
    /* As ExtraAudioDevice::open(), whose declaration keeps its Error from reaching Python: there it ends the process. */
    void open() PJSUA2_THROW(Error);
    /* Takes what this device plays out of what it records. tailMs: the longest echo, 0 switches it off; options: a
     * pjmedia_echo_flag such as PJMEDIA_ECHO_WEBRTC_AEC3. After open(); throws Error. */
    void setEcho(unsigned tailMs, unsigned options) PJSUA2_THROW(Error);
};

} // namespace pj

#endif
