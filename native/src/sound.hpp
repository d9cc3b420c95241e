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

struct pjmedia_echo_state;

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
    /* Opens the loudspeaker alone; what is connected from this port is silent. Instead of open(). */
    void openLoudspeaker() PJSUA2_THROW(Error);

private:
    int speaker_;
};

/* How loud `sink` hears `source`, two ports that are connected: 1 is as it is, 0 is silence. In steps of 1/128. */
void setConnectionLevel(const AudioMedia &source, const AudioMedia &sink, float level) PJSUA2_THROW(Error);

/* A port's present levels: the mean of the absolute samples of its last frame, 0 to 1 in the 8 bit steps of G.711. */
struct PortLevels {
    float heard; /* what comes from the port */
    float said;  /* what goes to the port */
};
PortLevels portLevels(const AudioMedia &port) PJSUA2_THROW(Error);

/* An echo canceller by itself, without devices, for measuring. */
class EchoCanceller
{
public:
    /* As EchoDevice.setEcho(). Throws Error. */
    EchoCanceller(unsigned clockRate, unsigned frameSamples, unsigned tailMs, unsigned options) PJSUA2_THROW(Error);
    ~EchoCanceller();

#ifndef SWIG
    /* One frame of each; the recorded one is changed. */
    void cancel(short *recorded, const short *played);
    const unsigned frameSamples;

private:
    EchoCanceller(const EchoCanceller &);
    EchoCanceller &operator=(const EchoCanceller &);
    pjmedia_echo_state *state_;
    pj_pool_t *pool_;
#endif
};

} // namespace pj

#endif
