/* How an account's media gets through NAT: servers per account, and what came of it per call.
 *
 * PJSIP knows one STUN server for the whole process. Here each account has its own servers, as numeric addresses that
 * the event loop has looked up, and takes them from its next call on.
 */
#ifndef SOFTPHONE_NAT_HPP
#define SOFTPHONE_NAT_HPP

#include <pjsua2.hpp>
#include <string>

namespace pj {

/* For the calls of one account. It counts where the account has ICE enabled in PJSIP's own configuration, except for
 * symmetric and keepAliveSec, which always count. */
struct AccountNat {
    bool session = false;     /* ICE is offered and answered; else only the addresses are wanted */
    std::string stunAddress;  /* numeric, "" for none */
    unsigned stunPort = 3478;
    std::string turnAddress;  /* numeric, "" for none */
    unsigned turnPort = 3478;
    std::string turnTransport = "udp"; /* udp, tcp, tls */
    std::string turnUser;
    std::string turnPassword;
    std::string tlsName;      /* the name that the TURN server's certificate must carry */
    std::string tlsCaFile;
    bool tlsVerify = true;
    bool symmetric = true;    /* media goes to where it comes from */
    unsigned keepAliveSec = 0; /* pause between packets while nothing else is sent; 0: none */
};

/* Makes the settings count. Call it after each Endpoint::libInit(), and again to change gatherMsec, the longest wait of
 * a call for its servers. */
void installNat(unsigned gatherMsec);

/* Call it after the account was created, and again after each Account::modify(), which forgets keepAliveSec. */
void setAccountNat(int accountId, const AccountNat &settings);

/* The way RTP takes. Types are host, srflx, prflx, relay, "" for none. Without an ICE session only our side is known. */
struct IcePath {
    bool session = false;     /* both sides do ICE */
    std::string state;        /* init, ready, negotiating, running, failed, "" where there is no ICE transport */
    std::string localType;
    std::string localAddress; /* address:port */
    std::string remoteType;
    std::string remoteAddress;
};

IcePath icePath(int callId, unsigned mediaIndex);

} // namespace pj

#endif
