/* Answers to requests that no call of ours is about.
 *
 * PJSIP leaves a request that none of its modules wants without an answer, and the sender repeats it for 32 seconds.
 * It also takes what this phone has no use for: text messages (whose notices of typing are XML) and subscriptions to
 * its presence. Here each gets the answer of the RFCs: 400 where CSeq names another method (RFC 3261 section 8.1.1.5), 420
 * for an extension that we do not have (8.2.2.3), 405 with Allow for a method that we do not take (8.2.1), 501 for one
 * that nobody knows, and 481 for one that needs a call (15.1.2, RFC 3311, RFC 6086, RFC 6665). ACK gets none.
 */
#ifndef SOFTPHONE_ANSWERS_HPP
#define SOFTPHONE_ANSWERS_HPP

#include <pjsua2.hpp>

namespace pj {

/* Call once after each Endpoint::libInit(), before libStart(). */
void installAnswers() PJSUA2_THROW(Error);

} // namespace pj

#endif
