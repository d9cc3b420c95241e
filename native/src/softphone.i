/* Our module: upstream's pjsua2.i and what we add, all under the one name `pjsua2`. */
%module(directors="1") pjsua2

%{
#include "pcmport.hpp"
#include "pcmstate.hpp"
%}

%include "pjsua2.i"
%include "pcmport.i"
%include "signalling.i"
%include "figures.i"
%include "nat.i"
%include "answers.i"
%include "logging.i"
%include "sound.i"
%include "level.i"
%include "siptap.i"
%include "voiceport.i"
