%{
#include "nat.hpp"
%}

%include "nat.hpp"
