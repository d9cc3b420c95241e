/* Sound devices with echo cancellation.
 *
 * pjsua2 can cancel echo on the one main device only. Ours is always the null device, which drives the mixer's clock, and
 * real devices come and go beside it; so they need an echo canceller of their own.
 */
#ifndef SOFTPHONE_SOUND_HPP
#define SOFTPHONE_SOUND_HPP

#include <pjsua2.hpp>

namespace pj {

class EchoDevice : public ExtraAudioDevice
{
public:
    EchoDevice(int playdev, int recdev);
    /* Takes what this device plays out of what it records. tailMs: the longest echo, 0 switches it off; options: a
     * pjmedia_echo_flag such as PJMEDIA_ECHO_WEBRTC_AEC3. After open(); throws Error. */
    void setEcho(unsigned tailMs, unsigned options) PJSUA2_THROW(Error);
};

} // namespace pj

#endif
