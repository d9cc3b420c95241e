/* See logging.hpp. */
%{
#include "logging.hpp"
%}
%include "logging.hpp"
