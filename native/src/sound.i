/* See sound.hpp. */
%{
#include "sound.hpp"
%}
%nocopyctor pj::EchoDevice;
%include "sound.hpp"
