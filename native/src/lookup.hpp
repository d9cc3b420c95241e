/* Names that have to become addresses while SIP goes on.
 *
 * PJSIP looks names up in the thread that serves all of SIP, and a request may name any host: in Via (maddr), Contact
 * and Record-Route. A name server of the sender's choice could so hold up every call. Here threads of our own do it:
 * a few, with a short queue; what finds no room is not found.
 */
#ifndef SOFTPHONE_LOOKUP_HPP
#define SOFTPHONE_LOOKUP_HPP

#include <pjsip.h>

namespace pj {

/* Prepares look-ups for the endpoint that exists now; those of one before it are forgotten. */
void startLookups(pjsip_resolver_t *numeric);

/* As pjsip_resolve(). An address is handed on at once, a name later, from the SIP thread. `numeric` of startLookups()
 * completes both: it sees addresses only. */
void lookUp(pj_pool_t *pool, const pjsip_host_info *target, void *token, pjsip_resolver_callback *done);

} // namespace pj

#endif
