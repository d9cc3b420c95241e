/* See level.hpp. Short methods keep the GIL, as PcmPort's do. */
%{
#include "level.hpp"
%}
%feature("nothread") pj::MeterPort::stat;
%feature("nothread") pj::MeterBell::fileno;
%feature("nothread") pj::MeterBell::take;
%nocopyctor pj::MeterPort;
%nocopyctor pj::MeterBell;
%include "level.hpp"
