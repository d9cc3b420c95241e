/* What the agent needs of PJSIP's signalling and pjsua2 does not offer.
 *
 * Pinned addresses: the event loop resolves names (off the SIP thread, with errors that can be told apart) and pins the
 * outcome here. URIs keep the host name, so TLS still sends and checks that name while the connection goes to the
 * pinned address. A host that is not pinned is looked up off the SIP thread (lookup.hpp).
 *
 * Account transports: which connection an account's REGISTER went over, and how to close it at once.
 *
 * SRTP: which suite a call's media uses.
 */
#ifndef SOFTPHONE_SIGNALLING_HPP
#define SOFTPHONE_SIGNALLING_HPP

#include <pjsua2.hpp>
#include <string>

namespace pj {

/* Makes the pins count. Call once after each Endpoint::libInit(). */
void installPins() PJSUA2_THROW(Error);

/* host, port and transport ("udp", "tcp", "tls") as they stand in the URI (port 0: none); address is numeric, v4 or v6.
 * A pin that exists is replaced. Any thread. */
void pinAddress(const std::string &host, unsigned port, const std::string &transport, const std::string &address,
                unsigned addressPort) PJSUA2_THROW(Error);

void unpinAddress(const std::string &host, unsigned port, const std::string &transport);

/* Pause between CRLF keep-alives on idle TCP and TLS connections (RFC 5626 section 3.5.1), seconds; 0: none. After
 * libInit(). */
void setKeepAlive(unsigned seconds);

/* A key of the connection that the account's last REGISTER used, 0 if there is none. It equals the value of
 * OnTransportStateParam.hnd of the same connection. */
unsigned long long accountTransport(int accountId);

/* Closes that connection at once; what waits for an answer on it fails. False if there is none. */
bool closeAccountTransport(int accountId);

/* The SRTP suite that protects what this call sends ("AES_CM_128_HMAC_SHA1_80", RFC 4568), "" for plain RTP. */
std::string srtpSuite(int callId, unsigned mediaIndex);

/* How its keys were agreed: "sdes" (RFC 4568) or "dtls" (RFC 5764), "" for plain RTP. With "dtls" and no suite, the
 * handshake has not finished. */
std::string srtpKeying(int callId, unsigned mediaIndex);

} // namespace pj

#endif
