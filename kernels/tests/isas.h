// The instruction sets that the tests use: all that this machine has, or those that --isa names
// (tests/main.cc).
#pragma once

#include <string_view>
#include <vector>

#include "include/edgefront/isa.h"

namespace edgefront::testing {

bool IsaWanted(std::string_view name);
std::vector<Isa> TestedIsas();

}  // namespace edgefront::testing
