/* PJSIP's log before there is a configuration. */
#ifndef SOFTPHONE_LOGGING_HPP
#define SOFTPHONE_LOGGING_HPP

namespace pj {

/* What PJSIP says from now on, 0 (nothing) to 5, until libInit() sets what its configuration says. Call it before
 * Endpoint.libCreate(): that one writes several lines to standard output otherwise. */
void setLogLevel(int level);

} // namespace pj

#endif
