/* See figures.hpp. */
%{
#include "figures.hpp"
%}
%include "figures.hpp"
