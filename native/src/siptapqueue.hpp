/* What waits in the tap (siptap.hpp); nothing of this is seen from Python. */
#ifndef SOFTPHONE_SIPTAPQUEUE_HPP
#define SOFTPHONE_SIPTAPQUEUE_HPP

#include <deque>
#include <string>

namespace pj {

struct TapEntry {
    long long usec = 0; /* Unix time, microseconds */
    bool sent = false;
    const char *transport = ""; /* "udp", "tcp", "tls": a constant */
    std::string local, remote;  /* numeric addresses */
    int localPort = 0, remotePort = 0;
    std::string text; /* the message, bytes */
};

/* All that waits, oldest first; the descriptor's signal is taken with it. */
std::deque<TapEntry> takeTapped();

} // namespace pj

#endif
