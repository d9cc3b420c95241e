/* See signalling.hpp. */
%{
#include "signalling.hpp"
%}
%include "signalling.hpp"
