/* What every port of ours needs of PJSIP. */
#ifndef SOFTPHONE_PORTKIT_HPP
#define SOFTPHONE_PORTKIT_HPP

#include <pjsua2.hpp>

namespace pj {

/* PJLIB must know every thread that calls it; a garbage collector may run in any. */
void registerThisThread();

/* Pools of ports come from a factory that is never destroyed: PJSUA destroys its own in libDestroy(), and a port's
 * lock, which comes from the factory of the port's pool, must live as long as the port. */
pj_pool_factory *portPools();

/* Whether ports can be added and removed. */
bool mixerIsUp();

} // namespace pj

#endif
