/* The SIP messages of this process, as they are before encryption and after decryption.
 *
 * A module of PJSIP below all others copies each message into a bounded queue; a descriptor wakes whoever drains it.
 * PJSIP's threads never wait for Python here: they hold a lock for one copy, and the reader holds it for one swap. While
 * the tap is closed, a message costs one look at a flag.
 *
 * There is one tap in a process, since there is one PJSIP in it. Messages that PJSIP cannot parse never reach its
 * modules, and so not the tap. A message counts as sent when it is handed to its transport.
 */
#ifndef SOFTPHONE_SIPTAP_HPP
#define SOFTPHONE_SIPTAP_HPP

#include <pjsua2.hpp>

namespace pj {

/* Puts the tap in its place, closed. Call once after each Endpoint::libInit() and before libStart(): a module that
 * comes later makes PJSIP take a lock for every message from then on. */
void installTap() PJSUA2_THROW(Error);

/* From now on messages are copied; at most so many, with so many bytes together, wait for drainTap(). Any thread. */
void openTap(unsigned maxMessages, unsigned long long maxBytes);

/* No more messages; what waits is dropped. Any thread. */
void closeTap();

/* Readable while messages wait; for loop.add_reader(). -1 before installTap(). Valid as long as the process. */
int tapDescriptor();

/* Messages lost since the process began, because nobody drained in time. */
unsigned long long tapLost();

} // namespace pj

#endif
