/* See answers.hpp. */
%{
#include "answers.hpp"
%}
%include "answers.hpp"
