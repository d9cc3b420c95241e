#include "pcmstate.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <pjsua-lib/pjsua.h>

#define THIS_FILE "pcmhub.cpp"

namespace pj {

PcmHubState::PcmHubState(unsigned maxPorts)
    : fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), words_((maxPorts + 63) / 64), slots_(words_ * 64)
{
    readable_.reset(new std::atomic<uint64_t>[words_]());
    eventful_.reset(new std::atomic<uint64_t>[words_]());
}

PcmHubState::~PcmHubState()
{
    if (fd >= 0) ::close(fd);
}

int PcmHubState::join(const std::shared_ptr<PcmPortState> &port)
{
    std::lock_guard<std::mutex> hold(guard_);
    for (size_t slot = 0; slot < slots_.size(); ++slot) {
        if (slots_[slot]) continue;
        slots_[slot] = port;
        return (int)slot;
    }
    return -1;
}

void PcmHubState::leave(int slot)
{
    std::shared_ptr<PcmPortState> port; /* let go outside the lock */
    std::lock_guard<std::mutex> hold(guard_);
    slots_[(size_t)slot].swap(port);
}

/* A bit is set before the flag is looked at, and the flag is lowered before the bits are looked at (sequentially
 * consistent, all of it). So whoever comes second sees the other, and no wake-up is lost. */
void PcmHubState::mark(Bits &bits, int slot)
{
    bits[(size_t)slot / 64].fetch_or(1ull << (slot % 64));
    if (signalled_.exchange(true)) return;
    wakeups.fetch_add(1, std::memory_order_relaxed);
    uint64_t one = 1;
    if (::write(fd, &one, sizeof(one)) < 0) {
        /* Only a counter near 2^64 can refuse, and then the descriptor is readable anyway. */
    }
}

std::vector<std::shared_ptr<PcmPortState>> PcmHubState::takeReadable()
{
    uint64_t count;
    if (::read(fd, &count, sizeof(count)) < 0) {
        /* Nothing was signalled: a caller that came by itself. */
    }
    signalled_.store(false);
    return take(readable_);
}

std::vector<std::shared_ptr<PcmPortState>> PcmHubState::takeEventful()
{
    return take(eventful_);
}

std::vector<std::shared_ptr<PcmPortState>> PcmHubState::take(Bits &bits)
{
    std::vector<std::shared_ptr<PcmPortState>> found;
    std::lock_guard<std::mutex> hold(guard_);
    for (size_t word = 0; word < words_; ++word) {
        if (!bits[word].load()) continue;
        for (uint64_t set = bits[word].exchange(0); set; set &= set - 1) {
            const std::shared_ptr<PcmPortState> &port = slots_[word * 64 + (size_t)__builtin_ctzll(set)];
            if (port) found.push_back(port);
        }
    }
    return found;
}

PcmHub::PcmHub(unsigned maxPorts) PJSUA2_THROW(Error) : state(std::make_shared<PcmHubState>(maxPorts))
{
    if (state->fd < 0) { PJSUA2_RAISE_ERROR(PJ_STATUS_FROM_OS(errno)); }
}

PcmHub::~PcmHub() {}

int PcmHub::fileno() const
{
    return state->fd;
}

unsigned long long PcmHub::wakeups() const
{
    return state->wakeups.load();
}

} // namespace pj
