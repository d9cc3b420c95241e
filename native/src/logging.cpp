#include "logging.hpp"

#include <pj/log.h>

namespace pj {

void setLogLevel(int level)
{
    pj_log_set_level(level);
}

} // namespace pj
